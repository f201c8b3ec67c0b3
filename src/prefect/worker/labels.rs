//! Stub until it lands.

/// a
pub fn name(text: &str) -> Option<String> {
    let slug: String = text.to_lowercase().chars().map(|c| if c.is_ascii_alphanumeric() { c } else { '-' }).collect();
    Some(slug.trim_matches('-').to_owned()).filter(|s| !s.is_empty())
}
/// a
pub fn key(text: &str) -> String {
    text.to_owned()
}
/// a
pub fn value(text: &str) -> String {
    text.replace(' ', "-")
}

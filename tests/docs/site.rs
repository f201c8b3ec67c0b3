//! Opens the built site in a browser, and uses its search.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::browser::{self, Browser};
use crate::server::FileServer;

/// A word that only one page contains, and the heading of that page.
const WORD: &str = "CreateContainerConfigError";
const HEADING: &str = "Troubleshooting";

#[test]
fn search_leads_to_the_page_with_a_word() {
    let default_directory = || Path::new(env!("CARGO_TARGET_TMPDIR")).with_file_name("site");
    let site = std::env::var_os("JOBPLATE_TEST_SITE").map_or_else(default_directory, PathBuf::from);
    if !site.join("index.html").is_file() {
        return report_skipped(&format!("no site in {}; `cargo xtask docs` builds it", site.display()));
    }
    let Some(program) = browser::find_program() else { return report_skipped("Chromium is not installed") };
    let server = FileServer::start(&site);
    let mut browser = Browser::open(&program, &server.url());
    // The first child is the text; a link to the heading follows.
    let heading =
        "document.readyState == 'complete' ? document.querySelector('h1')?.firstChild.textContent ?? null : null";
    assert_eq!(browser.wait_for(heading), json!("jobplate"));

    browser.click("[data-md-component=search-query]");
    browser.type_text(WORD);
    browser.wait_for("document.querySelector('.md-search-result__item a')?.href ?? null");
    browser.click(".md-search-result__item a");
    let opened = format!("location.pathname != '/' ? {heading} : null");
    assert_eq!(browser.wait_for(&opened), json!(HEADING));
    assert_eq!(browser.wait_for(&format!("document.body.innerText.includes('{WORD}')")), json!(true));

    assert_eq!(server.missing(), Vec::<String>::new(), "files of the site are missing");
}

/// Reports that the test is skipped, bypassing the test harness's output capture. In CI, panics instead.
fn report_skipped(reason: &str) {
    assert!(std::env::var_os("CI").is_none_or(|ci| ci != "true"), "the site: {reason}");
    drop(writeln!(std::io::stderr(), "LEFT OUT, the test of the documentation site: {reason}"));
}

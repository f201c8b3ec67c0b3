//! Scans flow collections (`{}`, `[]`), including JSON, in one pass over all their lines.

use super::super::node_kind::{FLOW, MULTILINE, NodeKind};
use super::bytes::{is_space_or_tab, line_end, skip_spaces};
use super::scanner::{Expect, MAX_DEPTH, OpenFlow, ScanResult, Scanner, Slot, unsupported};

/// The reasons to refuse flow collections that YAML 1.2 readers accept, but neither go-yaml nor PyYAML. The fallback
/// parser refuses them too.
pub(in super::super) const QUESTION_MARK: &str = "a `?` in a plain scalar inside brackets";
pub(in super::super) const LEADING_COLON: &str = "a plain scalar that begins with `:` inside brackets";
pub(in super::super) const MULTILINE_KEY: &str = "a key over several lines";

impl Scanner<'_> {
    /// Scans a flow collection over all its lines, and returns the end of its closing bracket.
    pub(super) fn scan_flow_collection(&mut self, start: usize) -> ScanResult<usize> {
        let parent = self.parent_column();
        let mut at = start;
        self.flow.clear();
        loop {
            at = self.skip_flow_trivia(at, parent)?;
            let Some(byte) = self.byte(at) else {
                return unsupported(start, "unterminated bracket");
            };
            let expect = self.flow.last().map(|top| top.expect);
            match byte {
                b',' | b'}' if expect == Some(Expect::Value) => {
                    // Add the empty value of `{key: }`.
                    let end = self.last_end as usize;
                    self.push(NodeKind::Empty, end, end, 0, 0);
                    self.end_flow_node(at)?;
                }
                b']' | b'}' => {
                    self.close_flow(at, expect)?;
                    at += 1;
                    if self.flow.is_empty() {
                        self.slot = Slot::None;
                        return Ok(at);
                    }
                    self.end_flow_node(at)?;
                }
                b',' => {
                    self.accept_flow_comma(at)?;
                    at += 1;
                }
                _ if matches!(expect, Some(Expect::SeqComma | Expect::MapComma)) => {
                    return unsupported(at, "a missing comma or bracket");
                }
                _ if expect == Some(Expect::Key) => at = self.scan_flow_key(at, parent)?,
                b'[' | b'{' => {
                    self.open_flow(at)?;
                    at += 1;
                }
                b'&' | b'!' => at = self.scan_property(at)?,
                _ => {
                    at = self.scan_flow_leaf(at, parent)?;
                    self.end_flow_node(at)?;
                }
            }
        }
    }

    /// Adds the flow collection whose opening bracket is at `at`.
    #[inline]
    fn open_flow(&mut self, at: usize) -> ScanResult {
        let is_map = self.text[at] == b'{';
        if is_map && self.byte(at + 1) == Some(b'{') {
            return unsupported(at, "a template expression (`{{`)");
        }
        if self.flow.len() + self.open.len() >= MAX_DEPTH {
            return unsupported(at, "nesting deeper than 250 levels");
        }
        let node = self.arena.nodes.len() as u32;
        let (kind, expect) = if is_map { (NodeKind::Map, Expect::Key) } else { (NodeKind::Seq, Expect::Item) };
        self.push(kind, at, at, 0, FLOW);
        self.flow.push(OpenFlow { node, expect });
        Ok(())
    }

    /// Ends the innermost flow collection at the closing bracket at `at`.
    #[inline]
    fn close_flow(&mut self, at: usize, expect: Option<Expect>) -> ScanResult {
        let is_matching = match expect {
            Some(Expect::Item | Expect::SeqComma) => self.text[at] == b']',
            Some(Expect::Key | Expect::MapComma) => self.text[at] == b'}',
            _ => false,
        };
        if !is_matching || self.properties.is_some() {
            return unsupported(at, "a closing bracket that does not match");
        }
        self.last_end = at as u32 + 1;
        if let Some(closed) = self.flow.pop() {
            let next = self.arena.nodes.len() as u32;
            let node = &mut self.arena.nodes[closed.node as usize];
            node.next = next;
            node.end = self.last_end;
        }
        Ok(())
    }

    /// Checks that the innermost flow collection allows a comma, and sets the token that it expects next.
    #[inline]
    fn accept_flow_comma(&mut self, at: usize) -> ScanResult {
        let Some(top) = self.flow.last_mut() else {
            return unsupported(at, "a comma outside of brackets");
        };
        top.expect = match top.expect {
            Expect::SeqComma => Expect::Item,
            Expect::MapComma => Expect::Key,
            _ => return unsupported(at, "a comma where a value is expected"),
        };
        Ok(())
    }

    /// Adds a scalar or an alias, and returns its end.
    #[inline]
    fn scan_flow_leaf(&mut self, at: usize, parent: i64) -> ScanResult<usize> {
        let (kind, end, flags) = match self.text[at] {
            byte @ (b'"' | b'\'') => {
                let (end, flags) = self.scan_quoted(at, parent)?;
                (if byte == b'"' { NodeKind::DoubleQuoted } else { NodeKind::SingleQuoted }, end, flags)
            }
            b'*' => {
                let end = self.find_name_end(at + 1);
                if end == at + 1 || self.properties.is_some() {
                    return unsupported(at, "an unusual alias");
                }
                self.check_alias(at, end)?;
                (NodeKind::Alias, end, 0)
            }
            _ => (NodeKind::Plain, self.scan_flow_plain(at)?, 0),
        };
        self.push(kind, at, end, 0, flags);
        Ok(end)
    }

    /// Sets the token that the innermost flow collection expects after a node, and checks the byte after the node.
    fn end_flow_node(&mut self, at: usize) -> ScanResult {
        if let Some(top) = self.flow.last_mut() {
            top.expect = if top.expect == Expect::Value { Expect::MapComma } else { Expect::SeqComma };
        }
        // Neither the `:` of `[a: b]` (a mapping without brackets) nor text directly after a node is supported.
        match self.byte(at) {
            Some(b' ' | b'\t' | b'\n' | b'\r' | b',' | b']' | b'}') => Ok(()),
            None => Ok(()),
            Some(_) => unsupported(at, "text directly after a value"),
        }
    }

    /// Scans a key of a flow mapping and its `:`, and returns the offset after them.
    fn scan_flow_key(&mut self, at: usize, parent: i64) -> ScanResult<usize> {
        let is_quoted = matches!(self.text[at], b'"' | b'\'');
        let end = if is_quoted {
            let (end, flags) = self.scan_quoted(at, parent)?;
            if flags & MULTILINE != 0 {
                return unsupported(at, MULTILINE_KEY);
            }
            let kind = if self.text[at] == b'"' { NodeKind::DoubleQuoted } else { NodeKind::SingleQuoted };
            self.push_key(kind, at, end, flags)?;
            end
        } else {
            if matches!(self.text[at], b'&' | b'!' | b'*' | b'[' | b'{') {
                return unsupported(at, "a key that is not a plain or quoted string");
            }
            let end = self.scan_flow_plain(at)?;
            self.push_key(NodeKind::Plain, at, end, 0)?;
            end
        };
        let colon = skip_spaces(self.text, end);
        if self.byte(colon) != Some(b':') || !(is_quoted || self.is_space_at(colon + 1)) {
            return unsupported(at, "a key without a value");
        }
        if let Some(top) = self.flow.last_mut() {
            top.expect = Expect::Value;
        }
        self.last_end = colon as u32 + 1;
        Ok(colon + 1)
    }

    /// Scans a plain scalar of a flow collection on one line, in a form that all readers support. Returns its end.
    fn scan_flow_plain(&self, at: usize) -> ScanResult<usize> {
        let text = self.text;
        match text[at] {
            b'-' if self.byte(at + 1).is_some_and(|next| !self.is_space_at(at + 1) && !b",[]{}".contains(&next)) => {}
            b':' if !self.is_space_at(at + 1) => return unsupported(at, LEADING_COLON),
            b'-' | b'?' | b':' => return unsupported(at, "an indicator where text is expected"),
            b'#' | b'|' | b'>' | b'%' | b'@' | b'`' => {
                return unsupported(at, "a character that no plain scalar can begin with");
            }
            _ => {}
        }
        let mut end = at;
        loop {
            match self.byte(end) {
                None => return unsupported(at, "unterminated bracket"),
                Some(b',' | b']' | b'}') => break,
                Some(b'[' | b'{') => return unsupported(end, "a bracket inside text"),
                Some(b'\n') => {
                    let next = self.skip_flow_trivia(end, self.parent_column())?;
                    if matches!(self.byte(next), Some(b',' | b']' | b'}')) {
                        break;
                    }
                    return unsupported(at, "plain text over several lines inside brackets");
                }
                Some(b'#') if is_space_or_tab(text[end - 1]) => {
                    let next = self.skip_flow_trivia(end - 1, self.parent_column())?;
                    if matches!(self.byte(next), Some(b',' | b']' | b'}')) {
                        break;
                    }
                    return unsupported(at, "text after a comment");
                }
                Some(b':') if self.is_space_at(end + 1) => break,
                Some(b':') if matches!(self.byte(end + 1), Some(b',' | b'[' | b']' | b'{' | b'}')) => {
                    return unsupported(end, "a `:` that parsers read differently");
                }
                Some(b'?') => return unsupported(end, QUESTION_MARK),
                Some(_) => end += 1,
            }
        }
        let end = self.trim_end(at, end);
        if end == at { unsupported(at, "a missing value") } else { Ok(end) }
    }

    /// Skips whitespace and comments between the tokens of a flow collection. Returns the offset after them.
    fn skip_flow_trivia(&self, mut at: usize, parent: i64) -> ScanResult<usize> {
        let mut line_start = None;
        loop {
            match self.byte(at) {
                Some(b' ') => at = skip_spaces(self.text, at),
                Some(b'\t') => {
                    if line_start.is_some() && parent >= 0 {
                        return unsupported(at, "a tab where indentation is expected");
                    }
                    at += 1;
                }
                Some(b'\r') => at += 1,
                Some(b'\n') => {
                    at += 1;
                    line_start = Some(at);
                }
                Some(b'#') if at == 0 || matches!(self.text[at - 1], b' ' | b'\t' | b'\n') => {
                    at = line_end(self.text, at)
                }
                byte => {
                    if let (Some(start), Some(_)) = (line_start, byte) {
                        // libyaml, go-yaml and granit-parser all accept any indentation here, so only a document marker
                        // is rejected.
                        if at == start && self.is_document_marker(at) {
                            return unsupported(at, "unterminated bracket");
                        }
                    }
                    return Ok(at);
                }
            }
        }
    }
}

//! Tests of the documentation: the built site in a browser, and the links and code blocks of all pages.
//!
//! `cargo xtask docs` builds the site. The test of the site needs Chromium; in CI it fails if one of them is missing.
//! The examples on the pages are tests of `tests/cmd`, `tests/cluster` and `tests/integrations`.

mod blocks;
mod browser;
mod links;
mod pages;
mod server;
mod site;

//! Controls Chromium with the DevTools protocol: <https://chromedevtools.github.io/devtools-protocol/>.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use tempfile::TempDir;

/// The names of Chromium on different systems.
const PROGRAMS: [&str; 5] =
    ["chromium-headless-shell", "chromium", "chromium-browser", "google-chrome", "google-chrome-stable"];

/// The maximum time for a response, or for a page to show something. A slow machine needs seconds.
const TIMEOUT: Duration = Duration::from_secs(90);

/// The separator of messages in both directions.
const END: u8 = 0;

/// A running browser with one page.
pub(crate) struct Browser {
    process: Child,
    commands: ChildStdin,
    responses: Receiver<Value>,
    session: Option<String>,
    last_id: u64,
    /// The browser's profile, deleted at the end.
    _profile: TempDir,
}

/// Returns the path of an installed Chromium.
pub(crate) fn find_program() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let directories: Vec<PathBuf> = std::env::split_paths(&path).collect();
    PROGRAMS
        .iter()
        .find_map(|name| directories.iter().map(|directory| directory.join(name)).find(|file| file.is_file()))
}

impl Browser {
    /// Starts a browser and opens a page.
    pub(crate) fn open(program: &Path, url: &str) -> Self {
        let profile = tempfile::tempdir().expect("a temporary directory can be created");
        // The browser reads commands from file descriptor 3 and writes to 4. A shell connects them to pipes.
        let mut command = Command::new("sh");
        command.args(["-c", r#"exec "$@" 3<&0 4>&1 </dev/null >/dev/null"#, "sh"]).arg(program);
        // The sandbox does not work for root. The browser only opens pages from this machine.
        command.args(["--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage", "--no-first-run"]);
        command.args(["--remote-debugging-pipe", "--window-size=1400,900"]);
        command.arg(format!("--user-data-dir={}", profile.path().display()));
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::null());
        let mut process = command.spawn().expect("sh starts");
        let commands = process.stdin.take().expect("a pipe");
        let output = BufReader::new(process.stdout.take().expect("a pipe"));
        let (sender, responses) = mpsc::channel();
        thread::spawn(move || {
            for message in output.split(END).map_while(Result::ok) {
                let message: Value = serde_json::from_slice(&message).expect("a message is JSON");
                // Messages without an ID are events.
                if message["id"].is_u64() && sender.send(message).is_err() {
                    return;
                }
            }
        });
        let mut browser = Browser { process, commands, responses, session: None, last_id: 0, _profile: profile };
        let target = browser.send("Target.createTarget", json!({"url": url})).expect("a page opens");
        let attach = json!({"targetId": target["targetId"], "flatten": true});
        let session = browser.send("Target.attachToTarget", attach).expect("the page can be controlled");
        browser.session = session["sessionId"].as_str().map(str::to_owned);
        browser
    }

    /// Sends a command and returns its result, or the error as text.
    fn send(&mut self, method: &str, params: Value) -> Result<Value, String> {
        self.last_id += 1;
        let mut command = json!({"id": self.last_id, "method": method, "params": params});
        if let Some(session) = &self.session {
            command["sessionId"] = json!(session);
        }
        let mut message = command.to_string().into_bytes();
        message.push(END);
        self.commands.write_all(&message).expect("the browser runs");
        loop {
            let mut response = self.responses.recv_timeout(TIMEOUT).expect("the browser responds");
            if response["id"] == self.last_id {
                let error = &response["error"];
                return if error.is_null() { Ok(response["result"].take()) } else { Err(error.to_string()) };
            }
        }
    }

    /// Waits until a JavaScript expression has a value other than `null`, and returns it.
    pub(crate) fn wait_for(&mut self, expression: &str) -> Value {
        let start = Instant::now();
        loop {
            // Evaluation fails while the browser loads another page.
            let params = json!({"expression": expression, "returnByValue": true});
            let result = self.send("Runtime.evaluate", params).unwrap_or_default();
            let value = &result["result"]["value"];
            if !value.is_null() && result["exceptionDetails"].is_null() {
                return value.clone();
            }
            assert!(start.elapsed() < TIMEOUT, "timed out waiting for {expression}: {result}");
            thread::sleep(Duration::from_millis(100));
        }
    }

    /// Presses a key for each character.
    pub(crate) fn type_text(&mut self, text: &str) {
        for letter in text.chars().map(String::from) {
            for params in [json!({"type": "keyDown", "text": letter}), json!({"type": "keyUp", "key": letter})] {
                self.send("Input.dispatchKeyEvent", params).expect("a key can be pressed");
            }
        }
    }

    /// Clicks at the middle of the element that a CSS selector finds.
    pub(crate) fn click(&mut self, selector: &str) {
        let place = self.wait_for(&format!(
            "(() => {{ const box = document.querySelector('{selector}')?.getBoundingClientRect(); \
             return box?.width ? [box.x + box.width / 2, box.y + box.height / 2] : null; }})()"
        ));
        for event in ["mousePressed", "mouseReleased"] {
            let params = json!({"type": event, "x": place[0], "y": place[1], "button": "left", "clickCount": 1});
            self.send("Input.dispatchMouseEvent", params).expect("the mouse can be pressed");
        }
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // The browser also ends by itself when its pipe is closed.
        drop(self.process.kill().and_then(|()| self.process.wait()));
    }
}

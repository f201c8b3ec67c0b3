//! A minimal HTTP server for the files of the site.

use std::fs;
use std::io::{BufRead, BufReader, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};
use std::thread;

/// A server of static files on a free port of this machine. It runs until the test process ends.
pub(crate) struct FileServer {
    port: u16,
    /// The paths of requests for missing files.
    missing: Arc<Mutex<Vec<String>>>,
}

impl FileServer {
    /// Starts a server for the files of a directory.
    pub(crate) fn start(directory: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
        let port = listener.local_addr().expect("a bound address").port();
        let missing = Arc::default();
        let (directory, log) = (directory.to_owned(), Arc::clone(&missing));
        thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let (directory, log) = (directory.clone(), Arc::clone(&log));
                // A browser opens connections that it does not use, so each one needs a thread.
                thread::spawn(move || respond(&stream, &directory, &log));
            }
        });
        FileServer { port, missing }
    }

    /// Returns the URL of the site.
    pub(crate) fn url(&self) -> String {
        format!("http://127.0.0.1:{}/", self.port)
    }

    /// Returns the paths of requests for missing files.
    pub(crate) fn missing(&self) -> Vec<String> {
        self.missing.lock().expect("no thread panics").clone()
    }
}

/// Answers one request and closes the connection. Ignores a browser that closes it first.
fn respond(mut stream: &TcpStream, directory: &Path, missing: &Mutex<Vec<String>>) {
    let mut lines = BufReader::new(stream).lines();
    let Some(Ok(request)) = lines.next() else { return };
    // Closing a connection with unread data would reset it.
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    let path = request.split(' ').nth(1).unwrap_or("/");
    let path = path.split(['?', '#']).next().unwrap_or_default().trim_start_matches('/');
    let mut file: PathBuf = directory.join(path);
    if file.is_dir() {
        file.push("index.html");
    }
    let (status, body) = match fs::read(&file) {
        Ok(body) => ("200 OK", body),
        Err(_) => {
            missing.lock().expect("no thread panics").push(path.to_owned());
            ("404 Not Found", Vec::new())
        }
    };
    let content_type = match file.extension().and_then(|extension| extension.to_str()) {
        Some("html") => "text/html; charset=utf-8",
        Some("css") => "text/css",
        Some("js") => "text/javascript",
        Some("json") => "application/json",
        Some("svg") => "image/svg+xml",
        _ => "application/octet-stream",
    };
    let head = format!(
        "HTTP/1.1 {status}\r\nContent-Type: {content_type}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n",
        body.len()
    );
    drop(stream.write_all(head.as_bytes()).and_then(|()| stream.write_all(&body)));
}

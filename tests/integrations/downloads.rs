//! Serves a release of the program under test locally, in the layout of `cargo xtask dist`.

use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Arc, LazyLock, Mutex};

use crate::programs::run_stdout;
use crate::run;

/// The version of the release.
pub(crate) const VERSION: &str = "0.1.0";

/// The release archive for this machine's platform, with its checksum.
pub(crate) struct Archive {
    file: PathBuf,
    pub(crate) name: String,
    pub(crate) sha256: String,
}

/// The release archive. It is built once for all tests, because the unoptimised program is large.
pub(crate) static ARCHIVE: LazyLock<Archive> = LazyLock::new(|| {
    let platform = if cfg!(target_arch = "aarch64") { "linux-arm64" } else { "linux-amd64" };
    let name = format!("jobplate-{VERSION}-{platform}.tar.gz");
    let file = Path::new(env!("CARGO_TARGET_TMPDIR")).join(&name);
    let program = run::binary();
    let directory = program.parent().expect("a program is in a folder");
    run_stdout(Command::new("tar").args(["-I", "gzip -1", "-cf"]).arg(&file).arg("-C").arg(directory).arg("jobplate"));
    let sum = run_stdout(Command::new("sha256sum").arg(&file));
    let sha256 = sum.split(' ').next().expect("a sum comes first").to_owned();
    Archive { file, name, sha256 }
});

/// Fills in a template of `integrations/` like `cargo xtask dist`, but only for this machine's platform.
pub(crate) fn fill(template: &str, base_url: &str, sha256: &str) -> String {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("integrations").join(template);
    let mut text = std::fs::read_to_string(file).expect("the template can be read");
    let (amd64, arm64) = if cfg!(target_arch = "aarch64") { ("", sha256) } else { (sha256, "") };
    for (placeholder, value) in [
        ("@BASE_URL@", base_url),
        ("@VERSION@", VERSION),
        ("@SHA256_LINUX_AMD64@", amd64),
        ("@SHA256_LINUX_ARM64@", arm64),
    ] {
        text = text.replace(placeholder, value);
    }
    text
}

/// An HTTP server that serves the archive as two releases: [`VERSION`] and 0.2.0.
pub(crate) struct Server {
    pub(crate) url: String,
    requests: Arc<Mutex<Vec<String>>>,
}

impl Server {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("http://{}/releases", listener.local_addr().expect("it has an address"));
        let requests = Arc::new(Mutex::new(Vec::new()));
        let thread_requests = Arc::clone(&requests);
        // The thread ends with the test process.
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                drop(handle_request(&stream, &thread_requests));
            }
        });
        Server { url, requests }
    }

    /// Returns the paths that were requested since the last call.
    pub(crate) fn requested_paths(&self) -> Vec<String> {
        std::mem::take(&mut self.requests.lock().expect("nobody panicked"))
    }
}

/// Records the path of a request and responds to it.
fn handle_request(mut stream: &TcpStream, requests: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut lines = BufReader::new(stream).lines();
    let request = lines.next().unwrap_or_else(|| Ok(String::new()))?;
    while lines.next().is_some_and(|line| line.is_ok_and(|line| !line.is_empty())) {}
    let path = request.split(' ').nth(1).unwrap_or_default().trim_start_matches("/releases/").to_owned();
    requests.lock().expect("nobody panicked").push(path.clone());
    let Archive { file, name, sha256 } = &*ARCHIVE;
    let newer = name.replace(VERSION, "0.2.0");
    let body = if path == format!("v{VERSION}/{name}") || path == format!("v0.2.0/{newer}") {
        std::fs::read(file)?
    } else if path == "v0.2.0/SHA256SUMS" {
        format!("{}  other.tar.gz\n{sha256}  {newer}\n", "0".repeat(64)).into_bytes()
    } else {
        return stream.write_all(b"HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
    };
    write!(stream, "HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len())?;
    stream.write_all(&body)
}

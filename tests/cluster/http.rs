//! HTTP/1.1 as the tests need it: blocking, over TLS towards the API server, plain towards others, connections kept open.
//!
//! `Client` asks and gets whole answers. `Head`, `Body` and `Connection` are its parts, for those who pass
//! pieces on as they come: the proxy and the played kubelet.

use std::io::{self, BufRead, BufReader, Error, ErrorKind, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use rustls::pki_types::pem::PemObject as _;
use rustls::pki_types::{CertificateDer, ServerName};
use rustls::{ClientConfig, ClientConnection, RootCertStore, StreamOwned};

/// A server that says nothing for so long fails the test.
const TIMEOUT: Duration = Duration::from_secs(60);
const PIECE: usize = 1 << 16;

pub(crate) type Header = (String, String);

/// A request or an answer as far as the empty line.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) first_line: String,
    pub(crate) headers: Vec<Header>,
}

impl Head {
    /// None at the end of the stream.
    pub(crate) fn read(from: &mut impl BufRead) -> io::Result<Option<Self>> {
        let mut first_line = String::new();
        if from.read_line(&mut first_line)? == 0 {
            return Ok(None);
        }
        let mut headers = Vec::new();
        loop {
            let mut line = String::new();
            if from.read_line(&mut line)? == 0 {
                return Err(ErrorKind::UnexpectedEof.into());
            }
            let line = line.trim_end();
            if line.is_empty() {
                return Ok(Some(Head { first_line: first_line.trim_end().to_owned(), headers }));
            }
            let (name, value) = line.split_once(':').ok_or_else(|| Error::other("a header without a colon"))?;
            headers.push((name.to_ascii_lowercase(), value.trim().to_owned()));
        }
    }

    /// The code of an answer.
    fn status(&self) -> io::Result<u16> {
        let code = self.first_line.split(' ').nth(1).and_then(|code| code.parse().ok());
        code.ok_or_else(|| Error::other(format!("no status line: {}", self.first_line)))
    }
}

/// The first header of a name, which is given in lower case.
pub(crate) fn header<'h>(headers: &'h [Header], name: &str) -> Option<&'h str> {
    headers.iter().find(|(is, _)| is == name).map(|(_, value)| value.as_str())
}

/// What is still to come of a body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Body {
    Bytes(u64),
    Chunks,
    /// To the end of the connection.
    All,
}

impl Body {
    pub(crate) fn of_request(headers: &[Header]) -> Self {
        Self::announced(headers).unwrap_or(Body::Bytes(0))
    }

    fn of_answer(status: u16, headers: &[Header]) -> Self {
        if matches!(status, 100..=199 | 204 | 304) {
            return Body::Bytes(0);
        }
        Self::announced(headers).unwrap_or(Body::All)
    }

    fn announced(headers: &[Header]) -> Option<Self> {
        if header(headers, "transfer-encoding").is_some_and(|encoding| encoding.eq_ignore_ascii_case("chunked")) {
            return Some(Body::Chunks);
        }
        header(headers, "content-length")?.parse().ok().map(Body::Bytes)
    }

    /// The next piece as soon as it is there; none at the end.
    pub(crate) fn piece(&mut self, from: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
        match self {
            Body::Bytes(0) => Ok(None),
            Body::Bytes(left) => {
                let buffer = from.fill_buf()?;
                let length = buffer.len().min(usize::try_from(*left).unwrap_or(PIECE));
                if length == 0 {
                    return Err(ErrorKind::UnexpectedEof.into());
                }
                let piece = buffer[..length].to_vec();
                from.consume(length);
                *left -= length as u64;
                Ok(Some(piece))
            }
            Body::Chunks => {
                let mut line = String::new();
                from.read_line(&mut line)?;
                let size = line.split(';').next().unwrap_or_default().trim();
                let size = usize::from_str_radix(size, 16).map_err(|_| Error::other("no size of a chunk"))?;
                let mut chunk = vec![0; size];
                from.read_exact(&mut chunk)?;
                // The end of the chunk, or of trailers that nobody sends.
                from.read_line(&mut line)?;
                if size == 0 {
                    *self = Body::Bytes(0);
                    return Ok(None);
                }
                Ok(Some(chunk))
            }
            Body::All => {
                let piece = from.fill_buf()?.to_vec();
                from.consume(piece.len());
                Ok((!piece.is_empty()).then_some(piece))
            }
        }
    }

    pub(crate) fn whole(mut self, from: &mut impl BufRead) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.piece(from)? {
            bytes.extend(piece);
        }
        Ok(bytes)
    }
}

/// One chunk of a body that has no length.
pub(crate) fn write_chunk(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend(bytes);
    chunk.extend(b"\r\n");
    to.write_all(&chunk)?;
    to.flush()
}

/// An answer with all of its body.
#[derive(Clone, Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: Vec<Header>,
    pub(crate) body: Vec<u8>,
}

impl Answer {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        header(&self.headers, name)
    }

    pub(crate) fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    pub(crate) fn json(&self) -> serde_json::Value {
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The same, having made sure that the server did it.
    #[track_caller]
    pub(crate) fn done(self) -> serde_json::Value {
        assert!((200..300).contains(&self.status), "{}: {}", self.status, self.text());
        self.json()
    }
}

/// Where a server is and, for the API server, the authority that it is to be trusted by.
#[derive(Clone)]
pub(crate) struct Endpoint {
    pub(crate) port: u16,
    tls: Option<Arc<ClientConfig>>,
}

impl Endpoint {
    pub(crate) fn new(port: u16, authority: &Path) -> Result<Self, String> {
        let error = |error: &dyn std::fmt::Display| format!("{}: {error}", authority.display());
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_file_iter(authority).map_err(|e| error(&e))? {
            roots.add(certificate.map_err(|e| error(&e))?).map_err(|e| error(&e))?;
        }
        let tls = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .map_err(|e| error(&e))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        Ok(Endpoint { port, tls: Some(Arc::new(tls)) })
    }

    /// One that speaks without TLS.
    pub(crate) fn plain(port: u16) -> Self {
        Endpoint { port, tls: None }
    }

    pub(crate) fn connect(&self) -> io::Result<Connection> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, self.port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        let stream: Box<dyn Stream> = match &self.tls {
            Some(tls) => {
                let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
                let tls = ClientConnection::new(Arc::clone(tls), name).map_err(Error::other)?;
                Box::new(StreamOwned::new(tls, stream))
            }
            None => Box::new(stream),
        };
        Ok(Connection { stream: BufReader::with_capacity(PIECE, stream) })
    }
}

/// What a connection runs over.
trait Stream: io::Read + Write + Send {}

impl<S: io::Read + Write + Send> Stream for S {}

/// One connection to a server.
pub(crate) struct Connection {
    stream: BufReader<Box<dyn Stream>>,
}

impl Connection {
    /// Sends a request; its length is added.
    pub(crate) fn send(&mut self, method: &str, path: &str, headers: &[Header], body: &[u8]) -> io::Result<()> {
        let mut request = format!("{method} {path} HTTP/1.1\r\n");
        for (name, value) in headers {
            request += &format!("{name}: {value}\r\n");
        }
        request += &format!("content-length: {}\r\n\r\n", body.len());
        let mut request = request.into_bytes();
        request.extend(body);
        self.stream.get_mut().write_all(&request)?;
        self.stream.get_mut().flush()
    }

    /// The head of the answer, and what will come of a body.
    pub(crate) fn head(&mut self) -> io::Result<(u16, Vec<Header>, Body)> {
        let head = Head::read(&mut self.stream)?.ok_or(ErrorKind::ConnectionReset)?;
        let status = head.status()?;
        let body = Body::of_answer(status, &head.headers);
        Ok((status, head.headers, body))
    }

    pub(crate) fn piece(&mut self, body: &mut Body) -> io::Result<Option<Vec<u8>>> {
        body.piece(&mut self.stream)
    }

    fn answer(&mut self) -> io::Result<Answer> {
        let (status, headers, body) = self.head()?;
        Ok(Answer { status, headers, body: body.whole(&mut self.stream)? })
    }
}

/// Someone with a token, on one connection.
pub(crate) struct Client {
    endpoint: Endpoint,
    token: String,
    connection: Mutex<Option<Connection>>,
}

impl Client {
    pub(crate) fn new(endpoint: Endpoint, token: &str) -> Self {
        Client { endpoint, token: token.to_owned(), connection: Mutex::default() }
    }

    pub(crate) fn request(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> io::Result<Answer> {
        let mut headers = vec![
            ("host".to_owned(), format!("127.0.0.1:{}", self.endpoint.port)),
            ("authorization".to_owned(), format!("Bearer {}", self.token)),
            ("accept".to_owned(), "application/json".to_owned()),
        ];
        if !kind.is_empty() {
            headers.push(("content-type".to_owned(), kind.to_owned()));
        }
        // One that the server has closed meanwhile is no failure.
        let old = self.kept().take();
        if let Some(mut old) = old
            && old.send(method, path, &headers, body).is_ok()
            && let Ok(answer) = old.answer()
        {
            *self.kept() = Some(old);
            return Ok(answer);
        }
        let mut connection = self.endpoint.connect()?;
        connection.send(method, path, &headers, body)?;
        let answer = connection.answer()?;
        *self.kept() = Some(connection);
        Ok(answer)
    }

    fn kept(&self) -> MutexGuard<'_, Option<Connection>> {
        self.connection.lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[track_caller]
    fn must(&self, method: &str, path: &str, kind: &str, body: &[u8]) -> Answer {
        self.request(method, path, kind, body).unwrap_or_else(|error| panic!("{method} {path}: {error}"))
    }

    #[track_caller]
    pub(crate) fn get(&self, path: &str) -> Answer {
        self.must("GET", path, "", b"")
    }

    #[track_caller]
    pub(crate) fn put(&self, path: &str, body: &serde_json::Value) -> Answer {
        self.must("PUT", path, "application/json", body.to_string().as_bytes())
    }

    #[track_caller]
    pub(crate) fn post(&self, path: &str, body: &serde_json::Value) -> Answer {
        self.must("POST", path, "application/json", body.to_string().as_bytes())
    }

    /// `kind` is what stands between `application/` and `-patch`: `apply`, `merge`, `json`, `strategic-merge`.
    #[track_caller]
    pub(crate) fn patch(&self, path: &str, kind: &str, body: impl AsRef<[u8]>) -> Answer {
        let format = match kind {
            "apply" => "yaml",
            _ => "json",
        };
        self.must("PATCH", path, &format!("application/{kind}-patch+{format}"), body.as_ref())
    }

    #[track_caller]
    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.must("DELETE", path, "", b"")
    }
}

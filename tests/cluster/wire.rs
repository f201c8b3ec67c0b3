//! HTTP/1.1 at the byte level. The fault-injecting proxy resets and truncates connections in the middle of a message,
//! which no HTTP library supports.

use std::io::{self, BufRead, BufReader, Error, ErrorKind, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::Arc;

use rustls::pki_types::ServerName;
use rustls::{ClientConnection, StreamOwned};

use crate::http::{Endpoint, Header, TIMEOUT, header};

/// The maximum number of bytes of a body that are read at once.
const MAX_PIECE: usize = 1 << 16;

/// The first line and the headers of a request or response.
#[derive(Clone, Debug)]
pub(crate) struct Head {
    pub(crate) first_line: String,
    pub(crate) headers: Vec<Header>,
}

impl Head {
    /// Reads the lines up to the empty line after the headers. Returns `None` at the end of the stream.
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

    fn status(&self) -> io::Result<u16> {
        let code = self.first_line.split(' ').nth(1).and_then(|code| code.parse().ok());
        code.ok_or_else(|| Error::other(format!("no status line: {}", self.first_line)))
    }
}

/// The unread part of a body.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) enum Body {
    /// A known number of bytes.
    Bytes(u64),
    /// Chunks, up to an empty chunk.
    Chunks,
    /// All bytes up to the end of the connection.
    UntilClose,
}

impl Body {
    pub(crate) fn from_request(headers: &[Header]) -> Self {
        Self::from_headers(headers).unwrap_or(Body::Bytes(0))
    }

    fn from_response(status: u16, headers: &[Header]) -> Self {
        if matches!(status, 100..=199 | 204 | 304) {
            return Body::Bytes(0);
        }
        Self::from_headers(headers).unwrap_or(Body::UntilClose)
    }

    fn from_headers(headers: &[Header]) -> Option<Self> {
        if header(headers, "transfer-encoding").is_some_and(|encoding| encoding.eq_ignore_ascii_case("chunked")) {
            return Some(Body::Chunks);
        }
        header(headers, "content-length")?.parse().ok().map(Body::Bytes)
    }

    /// Reads the next piece as soon as it arrives. Returns `None` at the end of the body.
    pub(crate) fn read_piece(&mut self, from: &mut impl BufRead) -> io::Result<Option<Vec<u8>>> {
        match self {
            Body::Bytes(0) => Ok(None),
            Body::Bytes(left) => {
                let buffer = from.fill_buf()?;
                let length = buffer.len().min(usize::try_from(*left).unwrap_or(MAX_PIECE));
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
                // Skips the line break after the chunk. The API server sends no trailers.
                from.read_line(&mut line)?;
                if size == 0 {
                    *self = Body::Bytes(0);
                    return Ok(None);
                }
                Ok(Some(chunk))
            }
            Body::UntilClose => {
                let piece = from.fill_buf()?.to_vec();
                from.consume(piece.len());
                Ok((!piece.is_empty()).then_some(piece))
            }
        }
    }

    pub(crate) fn read_all(mut self, from: &mut impl BufRead) -> io::Result<Vec<u8>> {
        let mut bytes = Vec::new();
        while let Some(piece) = self.read_piece(from)? {
            bytes.extend(piece);
        }
        Ok(bytes)
    }
}

/// Writes one chunk of a chunked body. An empty chunk ends the body.
pub(crate) fn write_chunk(to: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    let mut chunk = format!("{:x}\r\n", bytes.len()).into_bytes();
    chunk.extend(bytes);
    chunk.extend(b"\r\n");
    to.write_all(&chunk)?;
    to.flush()
}

/// A TLS connection to a server.
pub(crate) struct Connection {
    stream: BufReader<StreamOwned<ClientConnection, TcpStream>>,
}

impl Connection {
    pub(crate) fn open(endpoint: &Endpoint) -> io::Result<Self> {
        let stream = TcpStream::connect((Ipv4Addr::LOCALHOST, endpoint.port))?;
        stream.set_nodelay(true)?;
        stream.set_read_timeout(Some(TIMEOUT))?;
        let name = ServerName::from(std::net::IpAddr::from(Ipv4Addr::LOCALHOST));
        let tls = ClientConnection::new(Arc::clone(&endpoint.tls), name).map_err(Error::other)?;
        Ok(Connection { stream: BufReader::with_capacity(MAX_PIECE, StreamOwned::new(tls, stream)) })
    }

    /// Sends a request. Adds a `content-length` header.
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

    /// Reads the status and the headers of a response. Returns them and the unread body.
    pub(crate) fn read_head(&mut self) -> io::Result<(u16, Vec<Header>, Body)> {
        let head = Head::read(&mut self.stream)?.ok_or(ErrorKind::ConnectionReset)?;
        let status = head.status()?;
        let body = Body::from_response(status, &head.headers);
        Ok((status, head.headers, body))
    }

    pub(crate) fn read_piece(&mut self, body: &mut Body) -> io::Result<Option<Vec<u8>>> {
        body.read_piece(&mut self.stream)
    }
}

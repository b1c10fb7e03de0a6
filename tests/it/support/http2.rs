//! A client that speaks HTTP/2 by hand, so that it can also misbehave.

use std::io::{self, Read, Write};

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const SETTINGS: u8 = 4;
pub const PING: u8 = 6;
pub const GOAWAY: u8 = 7;
pub const CONTINUATION: u8 = 9;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;
const ACK: u8 = 1;

/// A frame, as it came.
#[derive(Debug)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

impl Frame {
    pub fn ends_stream(&self) -> bool {
        matches!(self.kind, DATA | HEADERS) && self.flags & END_STREAM != 0
    }

    /// The error of a reset or of a farewell.
    pub fn error(&self) -> u32 {
        let from = if self.kind == GOAWAY { 4 } else { 0 };
        u32::from_be_bytes(self.payload[from..from + 4].try_into().unwrap())
    }
}

/// A connection.
pub struct Http2<S>(pub S);

impl<S: Read + Write> Http2<S> {
    /// Begins to speak.
    pub fn new(mut stream: S) -> io::Result<Self> {
        stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")?;
        let mut this = Self(stream);
        this.send(SETTINGS, 0, 0, &[])?;
        Ok(this)
    }

    pub fn send(&mut self, kind: u8, flags: u8, stream: u32, payload: &[u8]) -> io::Result<()> {
        let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
        let mut frame = length[1..].to_vec();
        frame.extend([kind, flags]);
        frame.extend(stream.to_be_bytes());
        frame.extend(payload);
        self.0.write_all(&frame)?;
        self.0.flush()
    }

    /// The next frame but settings and pings, which are answered here.
    pub fn receive(&mut self) -> io::Result<Frame> {
        loop {
            let mut head = [0; 9];
            self.0.read_exact(&mut head)?;
            let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
            let mut payload = vec![0; usize::try_from(length).unwrap()];
            self.0.read_exact(&mut payload)?;
            let frame = Frame {
                kind: head[3],
                flags: head[4],
                stream: u32::from_be_bytes(head[5..].try_into().unwrap()),
                payload,
            };
            match (frame.kind, frame.flags & ACK) {
                (SETTINGS, 0) => self.send(SETTINGS, ACK, 0, &[])?,
                (PING, 0) => self.send(PING, ACK, 0, &frame.payload)?,
                (SETTINGS | PING, _) => {}
                _ => return Ok(frame),
            }
        }
    }

    /// Sends a whole request.
    pub fn request(
        &mut self,
        stream: u32,
        method: &str,
        path: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> io::Result<()> {
        let ends = if body.is_empty() { END_STREAM } else { 0 };
        let block = head(method, path, headers);
        self.send(HEADERS, ends | END_HEADERS, stream, &block)?;
        if !body.is_empty() {
            self.send(DATA, END_STREAM, stream, body.as_bytes())?;
        }
        Ok(())
    }

    /// Reads until the answer on a stream is whole, and gives its body. An error of that stream or of the connection
    /// is the number of the error.
    pub fn answer(&mut self, stream: u32) -> io::Result<Result<String, u32>> {
        let mut body = Vec::new();
        loop {
            let frame = self.receive()?;
            if frame.kind == GOAWAY && frame.error() != 0 {
                return Ok(Err(frame.error()));
            }
            if frame.stream != stream {
                continue;
            }
            if frame.kind == RST_STREAM {
                return Ok(Err(frame.error()));
            }
            if frame.kind == DATA {
                body.extend(&frame.payload);
            }
            if frame.ends_stream() {
                return Ok(Ok(String::from_utf8(body).unwrap()));
            }
        }
    }
}

/// A request's head, without compression.
pub fn head(method: &str, path: &str, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut block = Vec::new();
    let own = [
        (":method", method),
        (":scheme", "https"),
        (":authority", "localhost"),
        (":path", path),
    ];
    for (name, value) in own.iter().chain(headers) {
        block.push(0);
        for text in [name, value] {
            length(text.len(), &mut block);
            block.extend(text.bytes());
        }
    }
    block
}

/// RFC 7541, section 5.1, with a prefix of seven bits.
fn length(mut number: usize, block: &mut Vec<u8>) {
    if number < 127 {
        block.push(u8::try_from(number).unwrap());
        return;
    }
    block.push(127);
    number -= 127;
    while number >= 128 {
        block.push(u8::try_from(number % 128).unwrap() | 128);
        number /= 128;
    }
    block.push(u8::try_from(number).unwrap());
}

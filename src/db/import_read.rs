//! The pieces of what is imported, one after the other: lines of JSON, or the items of one array.
//!
//! Shape: either JSON lines, each an item (an object) or a transaction (an array); or one array of items, which is
//! the whole input and may be of any size and on any number of lines. What begins with `[` is lines where the array
//! ends on the line it begins on and something follows; else it is the one array.
//!
//! 1. No more than a piece is held, and what a buffer reads ahead. A piece has a bound, and so has the first line,
//!    which is held to tell the two forms apart.
//! 2. It knows where each piece begins, and nothing of what is in it: whoever reads the JSON tells what is wrong
//!    with it.

use std::io::{self, BufRead, BufReader, Cursor, Read};

use super::error::{Error, ErrorKind, LimitKind};
use crate::base::limits::IMPORT_LINE_BYTES_MAX;

/// A piece of the input.
#[derive(Debug)]
pub(super) struct Piece {
    /// The line it begins on, from 1.
    pub(super) line: u64,
    pub(super) text: String,
    pub(super) kind: PieceKind,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PieceKind {
    /// A line that begins an array: a transaction of its own.
    Transaction,
    /// Any other line.
    Line,
    /// An item of the one array.
    Item,
}

/// What is wrong with the input, and on which line.
#[derive(Debug)]
pub(super) struct Misread {
    pub(super) line: u64,
    pub(super) error: Error,
}

/// An input, cut into pieces.
pub(super) struct Pieces<'r> {
    input: Box<dyn BufRead + 'r>,
    form: Form,
    /// The line that is read, from 1.
    line: u64,
    /// Bytes that were read, those ahead left out.
    bytes: u64,
    /// The first line, where it was read to tell the form.
    first: Option<Piece>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Form {
    /// Nothing was read yet.
    Unknown,
    Lines,
    /// The one array, before its first item.
    Opened,
    /// The one array, behind an item.
    Between,
    /// The one array, behind its end.
    Closed,
}

impl std::fmt::Debug for Pieces<'_> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Pieces")
            .field("form", &self.form)
            .field("line", &self.line)
            .finish_non_exhaustive()
    }
}

impl<'r> Pieces<'r> {
    pub(super) fn new(input: impl Read + 'r) -> Self {
        Self {
            input: Box::new(BufReader::new(input)),
            form: Form::Unknown,
            line: 1,
            bytes: 0,
            first: None,
        }
    }

    /// How many bytes the pieces so far took.
    pub(super) fn bytes(&self) -> u64 {
        self.bytes
    }

    /// The line that is read, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    /// The next piece; none at the end.
    ///
    /// # Errors
    /// `Invalid` for what is neither of the two forms, `Limit` for a piece that is too long, `Unavailable` if the
    /// input cannot be read.
    pub(super) fn next(&mut self) -> Result<Option<Piece>, Misread> {
        if self.form == Form::Unknown {
            self.form = self.tell_form()?;
        }
        match self.form {
            Form::Unknown | Form::Lines => self.next_line(),
            Form::Opened | Form::Between | Form::Closed => self.next_item(),
        }
    }

    /// Which form it is; what was read to find out is read again.
    fn tell_form(&mut self) -> Result<Form, Misread> {
        if self.skip_space()? != Some(b'[') {
            return Ok(Form::Lines);
        }
        let mut head = Vec::new();
        self.read_line(&mut head)?;
        let form = match end_of_value(&head) {
            None => Form::Opened,
            Some(end) if !is_space(head.get(end..).unwrap_or_default()) => Form::Lines,
            Some(_) => {
                let (at, bytes) = (self.line, self.bytes);
                self.count(&head);
                if self.skip_space()?.is_some() {
                    let text = text_of(head.trim_ascii().to_vec(), at)?;
                    let kind = PieceKind::Transaction;
                    self.first = Some(Piece {
                        line: at,
                        text,
                        kind,
                    });
                    return Ok(Form::Lines);
                }
                (self.line, self.bytes) = (at, bytes);
                Form::Opened
            }
        };
        if form == Form::Opened {
            head.drain(..1);
            self.bytes = self.bytes.saturating_add(1);
        }
        let rest = std::mem::replace(&mut self.input, Box::new(io::empty()));
        self.input = Box::new(Cursor::new(head).chain(rest));
        Ok(form)
    }

    fn next_line(&mut self) -> Result<Option<Piece>, Misread> {
        if let Some(first) = self.first.take() {
            return Ok(Some(first));
        }
        loop {
            let mut line = Vec::new();
            let at = self.line;
            if self.read_line(&mut line)? == 0 {
                return Ok(None);
            }
            let text = line.trim_ascii();
            let is_cut = line.len() > IMPORT_LINE_BYTES_MAX && !line.ends_with(b"\n");
            if text.len() > IMPORT_LINE_BYTES_MAX || is_cut {
                return Err(too_long(at));
            }
            self.count(&line);
            let kind = match text.first() {
                None => continue,
                Some(b'[') => PieceKind::Transaction,
                Some(_) => PieceKind::Line,
            };
            let text = text_of(text.to_vec(), at)?;
            return Ok(Some(Piece {
                line: at,
                text,
                kind,
            }));
        }
    }

    fn next_item(&mut self) -> Result<Option<Piece>, Misread> {
        let unexpected = |line, why: &str| Err(malformed(line, why));
        let mut found = self.skip_space()?;
        if self.form == Form::Closed {
            return match found {
                None => Ok(None),
                Some(_) => unexpected(
                    self.line,
                    "an array on several lines is the whole input, and nothing follows it",
                ),
            };
        }
        if self.form == Form::Between && found == Some(b',') {
            self.take_byte();
            found = self.skip_space()?;
            if found == Some(b']') {
                return unexpected(self.line, "trailing comma");
            }
        } else if found == Some(b']') {
            self.take_byte();
            self.form = Form::Closed;
            return self.next_item();
        } else if self.form == Form::Between && found.is_some() {
            return unexpected(self.line, "expected `,` or `]` behind an item");
        }
        if found.is_none() {
            return unexpected(self.line, "the array ends before its end");
        }
        self.form = Form::Between;
        let at = self.line;
        let bytes = self.read_value(at)?;
        let text = text_of(bytes, at)?;
        Ok(Some(Piece {
            line: at,
            text,
            kind: PieceKind::Item,
        }))
    }

    /// The bytes of one value, whose first byte is next.
    fn read_value(&mut self, at: u64) -> Result<Vec<u8>, Misread> {
        let mut value = Vec::new();
        let mut scan = Scan::default();
        loop {
            let line = self.line;
            let available = self
                .input
                .fill_buf()
                .map_err(|error| broken(line, &error))?;
            if available.is_empty() {
                return Err(malformed(line, "the array ends before its end"));
            }
            let end = scan.run(available);
            let taken = available.get(..end.unwrap_or(available.len()));
            let taken = taken.unwrap_or(available);
            let length = taken.len();
            if value.len().saturating_add(length) > IMPORT_LINE_BYTES_MAX {
                return Err(too_long(at));
            }
            value.extend_from_slice(taken);
            self.line = line.saturating_add(line_ends(taken));
            self.bytes = self.bytes.saturating_add(to_u64(length));
            self.input.consume(length);
            if end.is_some() {
                return Ok(value);
            }
        }
    }

    /// Drops white space; the byte behind it, which stays.
    fn skip_space(&mut self) -> Result<Option<u8>, Misread> {
        loop {
            let line = self.line;
            let available = self
                .input
                .fill_buf()
                .map_err(|error| broken(line, &error))?;
            if available.is_empty() {
                return Ok(None);
            }
            let length = available
                .len()
                .saturating_sub(available.trim_ascii_start().len());
            let space = available.get(..length).unwrap_or_default();
            let found = available.get(length).copied();
            self.line = line.saturating_add(line_ends(space));
            self.bytes = self.bytes.saturating_add(to_u64(length));
            self.input.consume(length);
            if found.is_some() {
                return Ok(found);
            }
        }
    }

    fn count(&mut self, taken: &[u8]) {
        self.line = self.line.saturating_add(line_ends(taken));
        self.bytes = self.bytes.saturating_add(to_u64(taken.len()));
    }

    fn take_byte(&mut self) {
        self.input.consume(1);
        self.bytes = self.bytes.saturating_add(1);
    }

    /// Reads to the end of the line, or a little more than a line may have.
    fn read_line(&mut self, into: &mut Vec<u8>) -> Result<usize, Misread> {
        let line = self.line;
        self.input
            .by_ref()
            .take(to_u64(IMPORT_LINE_BYTES_MAX).saturating_add(2))
            .read_until(b'\n', into)
            .map_err(|error| broken(line, &error))
    }
}

/// Finds where a value ends, by its brackets and quotes alone.
#[derive(Debug, Default)]
struct Scan {
    depth: usize,
    quoted: Quoted,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Quoted {
    #[default]
    No,
    Yes,
    /// Behind a backslash.
    Escaped,
}

impl Scan {
    /// The length up to the end of the value, if that is in these bytes.
    fn run(&mut self, bytes: &[u8]) -> Option<usize> {
        for (index, byte) in bytes.iter().enumerate() {
            let behind = index.saturating_add(1);
            if self.quoted != Quoted::No {
                self.quoted = match (self.quoted, byte) {
                    (Quoted::Yes, b'\\') => Quoted::Escaped,
                    (Quoted::Yes, b'"') => Quoted::No,
                    _ => Quoted::Yes,
                };
                if self.quoted == Quoted::No && self.depth == 0 {
                    return Some(behind);
                }
                continue;
            }
            match byte {
                b'"' => self.quoted = Quoted::Yes,
                b'{' | b'[' => self.depth = self.depth.saturating_add(1),
                b'}' | b']' if self.depth > 1 => self.depth = self.depth.saturating_sub(1),
                b'}' | b']' if self.depth == 1 => return Some(behind),
                // Outside of brackets it is a number or a word, and ends before this.
                b'}' | b']' | b',' | b' ' | b'\t' | b'\r' | b'\n' if self.depth == 0 => {
                    return Some(index);
                }
                _ => {}
            }
        }
        None
    }
}

/// Where the value that begins these bytes ends.
fn end_of_value(bytes: &[u8]) -> Option<usize> {
    Scan::default().run(bytes)
}

fn is_space(bytes: &[u8]) -> bool {
    bytes.trim_ascii().is_empty()
}

fn line_ends(bytes: &[u8]) -> u64 {
    let pieces = bytes.split(|byte| *byte == b'\n').count();
    to_u64(pieces.saturating_sub(1))
}

fn to_u64(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

fn text_of(bytes: Vec<u8>, line: u64) -> Result<String, Misread> {
    String::from_utf8(bytes).map_err(|_| malformed(line, "the text is not UTF-8"))
}

fn malformed(line: u64, why: &str) -> Misread {
    let error = Error::new(ErrorKind::Invalid, "db/invalid-json", why);
    Misread { line, error }
}

fn too_long(line: u64) -> Misread {
    let why = format!("a line or an item has {IMPORT_LINE_BYTES_MAX} bytes at most");
    let error = Error::new(ErrorKind::Limit(LimitKind::Body), "db/limit", why);
    Misread { line, error }
}

fn broken(line: u64, error: &io::Error) -> Misread {
    let error = Error::unavailable(format!("the input cannot be read: {error}"));
    Misread { line, error }
}

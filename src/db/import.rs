//! Importing: a text of any size, in transactions of bounded size, each of them made once.
//!
//! 1. Consecutive items are put into one transaction up to a bound; an array on a line of its own is a transaction of
//!    its own. So are changes of the schema, so that what follows can use them and what stands before is not asked
//!    by them.
//! 2. A named tempid is good for the whole import: what it came to in one transaction stands for it in the next.
//!    Within a transaction it may be used before it is defined, between two it may not.
//! 3. INVARIANT(import-once): each transaction is made under a key that stands for all that was read up to its end,
//!    and the key is in its commit. Importing again goes on behind what was made, whatever was killed in between.
//! 4. The first refusal ends it. What was made before stays.

use std::{fmt, io};

use super::answer::Tempid;
use super::auth_name::AuthName;
use super::database::Database;
use super::error::{Error, ErrorKind};
use super::import_chunk::{Bounds, Chunk, Place, Running, Weight};
use super::import_names::Names;
use super::import_read::{Piece, PieceKind, Pieces};
use super::state::Author;
use crate::model::system::ROOT_AUTH;
use crate::query::Json;
use crate::transact::{Functions, Parsed, Part};
use crate::{query, transact};

/// How far an import is.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Imported {
    /// Lines that were read.
    pub lines: u64,
    /// Bytes that were read.
    pub bytes: u64,
    /// Items that were made or skipped.
    pub items: u64,
    /// Items that an import before this one had made.
    pub skipped: u64,
    /// Transactions that were made.
    pub transactions: u64,
    /// Flakes that were made, as far as their author sees them.
    pub flakes: u64,
}

/// Why an import ended before its end.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct ImportStopped {
    /// The line of what was refused, from 1; of a transaction that was refused as a whole, its first.
    pub first_line: u64,
    /// The last line of what was refused.
    pub last_line: u64,
    /// Why; its place is within the line.
    pub error: Box<Error>,
    /// What was imported before, and stays.
    pub imported: Imported,
}

impl fmt::Display for ImportStopped {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            first_line,
            last_line,
            error,
            ..
        } = self;
        if first_line == last_line {
            write!(f, "line {first_line}")?;
        } else {
            write!(f, "lines {first_line} to {last_line}")?;
        }
        if let Some(at) = error.at().filter(|at| !at.is_empty()) {
            write!(f, ", {at}")?;
        }
        write!(f, ": {}", error.message())
    }
}

impl Database {
    /// Imports items and transactions as root, from JSON lines or one array of items; `told` hears how far it is.
    ///
    /// An import of the same text goes on behind what was made of it before.
    ///
    /// # Errors
    /// The first refusal, with its line. What was imported before it stays.
    pub fn import(
        &self,
        input: impl io::Read,
        told: impl FnMut(&Imported),
    ) -> Result<Imported, ImportStopped> {
        self.import_by(ROOT_AUTH.into(), Bounds::UNJUDGED, input, told)
    }

    /// The same as an auth, whom the calling program vouches for: its rules judge each value.
    ///
    /// # Errors
    /// As [`Database::import`]; `NotFound` if there is no such auth.
    pub fn import_as(
        &self,
        auth: impl Into<AuthName>,
        input: impl io::Read,
        told: impl FnMut(&Imported),
    ) -> Result<Imported, ImportStopped> {
        self.import_by(auth.into(), Bounds::JUDGED, input, told)
    }

    fn import_by(
        &self,
        auth: AuthName,
        bounds: Bounds,
        input: impl io::Read,
        told: impl FnMut(&Imported),
    ) -> Result<Imported, ImportStopped> {
        let auth = self.auth(auth).map_err(|error| ImportStopped {
            first_line: 1,
            last_line: 1,
            error: Box::new(error),
            imported: Imported::default(),
        })?;
        let import = Import {
            database: self,
            author: Author::Auth(auth),
            bounds,
            told,
            chunk: Chunk::default(),
            running: Running::new(),
            names: Names::default(),
            imported: Imported::default(),
            record: Record::None,
            is_behind: false,
        };
        import.run(Pieces::new(input))
    }
}

/// Whether the text says where it begins and ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Record {
    /// It says nothing, so far.
    None,
    /// It said that it begins, so it must say that it ends.
    Begun,
    Ended,
}

/// An import that is under way.
struct Import<'d, H> {
    database: &'d Database,
    author: Author,
    bounds: Bounds,
    told: H,
    chunk: Chunk,
    running: Running,
    names: Names,
    imported: Imported,
    record: Record,
    /// Whether a transaction was made, so that nothing behind it was made before.
    is_behind: bool,
}

/// A piece whose JSON is read.
struct Read {
    piece: Piece,
    json: Json,
}

impl Read {
    fn of(piece: Piece) -> Result<Self, (u64, Error)> {
        match Json::read(&piece.text) {
            Ok(json) => Ok(Self { piece, json }),
            Err(error) => Err(misread(piece.line, error)),
        }
    }
}

/// A refusal, and the lines it is about.
type Refused = (u64, u64, Error);

impl<H: FnMut(&Imported)> Import<'_, H> {
    fn run(mut self, mut pieces: Pieces<'_>) -> Result<Imported, ImportStopped> {
        match self.work(&mut pieces) {
            Ok(()) => Ok(self.imported),
            Err((first_line, last_line, error)) => Err(ImportStopped {
                first_line,
                last_line,
                error: Box::new(error),
                imported: self.imported,
            }),
        }
    }

    fn work(&mut self, pieces: &mut Pieces<'_>) -> Result<(), Refused> {
        loop {
            let next = pieces.next().map_err(|it| (it.line, it.error));
            let next = next.and_then(|piece| piece.map(Read::of).transpose());
            match next {
                Ok(Some(piece)) => self.piece(piece)?,
                Ok(None) => break,
                Err((line, error)) => {
                    // What stands before it comes first, also if it is refused.
                    self.send()?;
                    return Err((line, line, error));
                }
            }
            self.imported.lines = pieces.line();
            self.imported.bytes = pieces.bytes();
        }
        self.send()?;
        self.imported.lines = pieces.line();
        self.imported.bytes = pieces.bytes();
        if self.record == Record::Begun {
            let line = pieces.line();
            return Err((
                line,
                line,
                unwhole("the text ends without its closing record"),
            ));
        }
        (self.told)(&self.imported);
        Ok(())
    }

    fn piece(&mut self, piece: Read) -> Result<(), Refused> {
        let Read {
            piece: Piece { line, text, kind },
            json,
        } = piece;
        if self.record == Record::Ended {
            let why = "something follows the closing record";
            return Err((line, line, unwhole(why)));
        }
        match (kind, json) {
            (PieceKind::Transaction, Json::Array(items)) => self.transaction(line, &text, items),
            (PieceKind::Line, json) if json.member("_id").is_none() => {
                match (json.member("start"), json.member("end")) {
                    (Some(start), _) => self.start(line, &text, start),
                    (_, Some(end)) => self.end(line, end),
                    _ => self.item(line, &text, json),
                }
            }
            (_, json) => self.item(line, &text, json),
        }
    }

    fn item(&mut self, line: u64, text: &str, item: Json) -> Result<(), Refused> {
        let weight = Weight::of(&item);
        if self.chunk.is_full_for(&weight, text.len(), &self.bounds) {
            self.send()?;
        }
        self.running.add(text);
        let place = Place { line, index: None };
        self.chunk.add(item, place, &weight, text.len());
        self.skip_if_made()
    }

    /// An array on a line of its own is a transaction of its own.
    fn transaction(&mut self, line: u64, text: &str, items: Vec<Json>) -> Result<(), Refused> {
        self.send()?;
        self.running.add(text);
        let mut bytes = text.len();
        for (index, item) in items.into_iter().enumerate() {
            let place = Place {
                line,
                index: Some(index),
            };
            self.chunk.add(item, place, &Weight::default(), bytes);
            bytes = 0;
        }
        self.skip_if_made()?;
        self.send()
    }

    /// Drops what was gathered if it was made before, and keeps its tempids.
    ///
    /// INVARIANT(import-key): a part is made only when all before it was. So the end of any part that was made tells
    /// of all up to there, however it was cut.
    fn skip_if_made(&mut self) -> Result<(), Refused> {
        if self.is_behind || self.chunk.is_empty() {
            return Ok(());
        }
        let digest = self.running.digest();
        let made = self.database.part_made(&self.author, digest);
        let Some(tempids) = made.map_err(|error| located(error, self.chunk.places()))? else {
            return Ok(());
        };
        let chunk = std::mem::take(&mut self.chunk);
        self.keep(&tempids, chunk.places())?;
        let items = counted(chunk.len());
        self.imported.items += items;
        self.imported.skipped += items;
        (self.told)(&self.imported);
        Ok(())
    }

    fn keep(&mut self, tempids: &[(String, Tempid)], places: &[Place]) -> Result<(), Refused> {
        for (name, tempid) in tempids {
            if let Tempid::One(s) = tempid {
                let kept = self.names.keep(name, *s);
                kept.map_err(|error| located(error, places))?;
            }
        }
        Ok(())
    }

    /// The record before what was exported.
    fn start(&mut self, line: u64, text: &str, start: &Json) -> Result<(), Refused> {
        self.send()?;
        let is_first = self.record == Record::None && self.imported.lines == 0;
        if !is_first || start.member("by").and_then(Json::as_str) != Some("state") {
            let why =
                "what is imported begins with items, or with the record of an export by state";
            return Err((line, line, unwhole(why)));
        }
        self.record = Record::Begun;
        self.running.add(text);
        Ok(())
    }

    /// The record behind what was exported: all of it must have been here.
    fn end(&mut self, line: u64, end: &Json) -> Result<(), Refused> {
        self.send()?;
        let expected = match end.member("items") {
            Some(Json::Int(items)) => u64::try_from(*items).ok(),
            _ => None,
        };
        if expected != Some(self.imported.items) {
            let why = format!(
                "the closing record does not tell of the {} items before it",
                self.imported.items
            );
            return Err((line, line, unwhole(&why)));
        }
        self.record = Record::Ended;
        Ok(())
    }

    /// Makes a transaction of what was gathered.
    fn send(&mut self) -> Result<(), Refused> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::take(&mut self.chunk);
        let (items, bytes) = (chunk.len(), chunk.bytes());
        let places = chunk.places().to_vec();
        let part = Part {
            known: self.names.used_in(chunk.items()),
            // An export tells values, and no functions that give them.
            functions: match self.record {
                Record::None => Functions::Evaluated,
                Record::Begun | Record::Ended => Functions::Literal,
            },
        };
        let digest = self.running.digest();
        let made = Parsed::part(chunk.into_items(), part)
            .map_err(|error: transact::Error| Error::from(error))
            .and_then(|parsed| {
                self.database
                    .transact_part(self.author.clone(), parsed, digest, bytes)
            });
        let receipt = made.map_err(|error| located(error, &places))?;
        self.keep(&receipt.tempids, &places)?;
        self.imported.items += counted(items);
        if receipt.is_repeat {
            // Another import of the same text is under way.
            self.imported.skipped += counted(items);
        } else {
            self.is_behind = true;
            self.imported.transactions += 1;
            self.imported.flakes += counted(receipt.flakes.len());
        }
        (self.told)(&self.imported);
        Ok(())
    }
}

fn counted(count: usize) -> u64 {
    u64::try_from(count).unwrap_or(u64::MAX)
}

/// The lines that a refused transaction's error is about, and its place within the line.
fn located(error: Error, places: &[Place]) -> Refused {
    let line_of = |place: Option<&Place>| place.map_or(1, |place| place.line);
    let (first, last) = (line_of(places.first()), line_of(places.last()));
    let Some((index, rest)) = error.at().and_then(item_of) else {
        return (first, last, error);
    };
    let Some(place) = places.get(index) else {
        return (first, last, error);
    };
    let within = match place.index {
        Some(index) => format!("/{index}{rest}"),
        None => rest.to_owned(),
    };
    (place.line, place.line, error.with_at(within))
}

/// The item that a pointer leads to, and what is left of it there.
fn item_of(pointer: &str) -> Option<(usize, &str)> {
    let within = pointer.strip_prefix('/')?;
    let (index, _) = within.split_once('/').unwrap_or((within, ""));
    let rest = within.strip_prefix(index)?;
    Some((index.parse().ok()?, rest))
}

/// Malformed JSON in a piece that begins on a line.
fn misread(first_line: u64, error: query::Error) -> (u64, Error) {
    let query::Error::Json { line, column, why } = error else {
        return (first_line, error.into());
    };
    let further = u64::try_from(line.saturating_sub(1)).unwrap_or(0);
    let why = format!("the JSON is invalid: {why}");
    let error = Error::new(ErrorKind::Invalid, "db/invalid-json", why);
    let error = error.with_at(format!("column {column}"));
    (first_line.saturating_add(further), error)
}

/// What says that it is an export, and is not a whole one.
fn unwhole(why: &str) -> Error {
    Error::new(ErrorKind::Invalid, "db/invalid-import", why)
}

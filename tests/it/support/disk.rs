//! A disk in memory whose power can be cut, and which can be told to fail.

use std::io;
use std::sync::{Arc, Mutex};

use redb::StorageBackend;

use super::random::Random;

/// What the disk holds; clones share it.
#[derive(Clone, Debug, Default)]
pub struct Disk(Arc<Mutex<State>>);

#[derive(Clone, Debug, Default)]
struct State {
    /// What survives a power cut.
    synced: Vec<u8>,
    /// What a reader sees.
    now: Vec<u8>,
    unsynced: Vec<Write>,
    /// Changes (writes, resizes, syncs) so far.
    changes: u64,
    /// The change at which the disk begins to fail.
    fails_at: Option<u64>,
    /// The change at which it works again.
    heals_at: Option<u64>,
    syncs: Vec<(Vec<u8>, Vec<Write>)>,
    keeps_syncs: bool,
}

#[derive(Clone, Debug)]
enum Write {
    Bytes(usize, Vec<u8>),
    Length(usize),
}

fn apply(bytes: &mut Vec<u8>, write: &Write) {
    match write {
        Write::Length(length) => bytes.resize(*length, 0),
        Write::Bytes(at, data) => {
            if bytes.len() < at + data.len() {
                bytes.resize(at + data.len(), 0);
            }
            bytes[*at..at + data.len()].copy_from_slice(data);
        }
    }
}

impl Disk {
    pub fn of(bytes: Vec<u8>) -> Self {
        let disk = Self::default();
        disk.0.lock().unwrap().synced.clone_from(&bytes);
        disk.0.lock().unwrap().now = bytes;
        disk
    }

    pub fn bytes(&self) -> Vec<u8> {
        self.0.lock().unwrap().now.clone()
    }

    pub fn changes(&self) -> u64 {
        self.0.lock().unwrap().changes
    }

    /// Fails this and every later change.
    pub fn fail_at(&self, change: u64) {
        self.0.lock().unwrap().fails_at = Some(change);
    }

    /// Fails this change alone.
    pub fn fail_once(&self, change: u64) {
        let mut state = self.0.lock().unwrap();
        state.fails_at = Some(change);
        state.heals_at = Some(change + 1);
    }

    /// Remembers what stood unsynced before each sync from here on.
    pub fn keep_syncs(&self) {
        self.0.lock().unwrap().keeps_syncs = true;
    }

    /// How many syncs were remembered.
    pub fn syncs(&self) -> usize {
        self.0.lock().unwrap().syncs.len()
    }

    /// The disk after a power cut just before a remembered sync: each unsynced write is there or not.
    pub fn cut_at(&self, sync: usize, random: &mut Random) -> Self {
        let state = self.0.lock().unwrap();
        let (synced, unsynced) = &state.syncs[sync];
        let mut bytes = synced.clone();
        let (kept, of) = *random.pick(&[(0, 1), (1, 1), (1, 2), (1, 4), (3, 4)]);
        for write in unsynced {
            if random.below(of) < kept {
                apply(&mut bytes, write);
            }
        }
        Self::of(bytes)
    }

    fn change(&self, write: Option<Write>) -> io::Result<()> {
        let mut state = self.0.lock().unwrap();
        state.changes += 1;
        let is_healed = state.heals_at.is_some_and(|at| state.changes > at);
        if !is_healed && state.fails_at.is_some_and(|at| state.changes > at) {
            return Err(io::Error::other("the disk is full"));
        }
        if let Some(write) = write {
            apply(&mut state.now, &write);
            state.unsynced.push(write);
        } else {
            if state.keeps_syncs {
                let cut = (state.synced.clone(), state.unsynced.clone());
                state.syncs.push(cut);
            }
            let now = state.now.clone();
            state.synced = now;
            state.unsynced.clear();
        }
        Ok(())
    }
}

impl StorageBackend for Disk {
    fn len(&self) -> io::Result<u64> {
        Ok(self.0.lock().unwrap().now.len() as u64)
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let state = self.0.lock().unwrap();
        let at = usize::try_from(offset).unwrap();
        let from = state
            .now
            .get(at..at + out.len())
            .ok_or_else(|| io::Error::from(io::ErrorKind::UnexpectedEof))?;
        out.copy_from_slice(from);
        Ok(())
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.change(Some(Write::Length(usize::try_from(len).unwrap())))
    }

    fn sync_data(&self) -> io::Result<()> {
        self.change(None)
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        let at = usize::try_from(offset).unwrap();
        self.change(Some(Write::Bytes(at, data.to_vec())))
    }
}

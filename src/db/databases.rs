//! The databases of a folder that are open: each when it is first asked for, and only so many at one time.
//!
//! 1. Only what has a fact in `solon/master` is opened, so a name that is none costs a look there.
//! 2. Who needs room closes the one that was longest not asked for, of those that nobody uses. If all are in use, whoever
//!    asks is told to come back.
//! 3. One database is opened, closed or moved by one thread at a time; others are not kept waiting by that.
//! 4. The file must be of the incarnation that its fact has.
//!
//! Of the cache the default database has one half, since most folders have no other, and the others an equal share of
//! the rest: what is shared out need not be taken back, and one busy database cannot starve the rest.

use std::collections::HashMap;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use super::data_dir::{Aside, DataDir, exists, make_parent, move_file, remove};
use super::database::{Database, Options};
use super::database_name::DatabaseName;
use super::error::{Error, ErrorKind};
use super::master::Entry;
use super::people::People;
use crate::base::limits::DATABASES_OPEN_MAX;
use crate::model::Incarnation;
use crate::store::Store;

/// Those that are opened on demand: the default one and `solon/master` are always open.
const ON_DEMAND_MAX: usize = DATABASES_OPEN_MAX - 2;

/// A database of the folder that is open, and its name.
#[derive(Clone, Debug)]
pub(super) struct Opened {
    pub(super) name: Arc<str>,
    pub(super) database: Database,
}

/// The databases that are opened on demand.
#[derive(Debug)]
pub(super) struct Databases {
    dir: DataDir,
    options: Options,
    people: Arc<People>,
    slots: Mutex<Slots>,
    clock: AtomicU64,
}

#[derive(Debug, Default)]
struct Slots {
    /// By life and not by name: what was deleted is another than what has its name now.
    by_life: HashMap<Incarnation, Arc<Slot>>,
    /// How many are open, or about to be.
    open: usize,
}

/// Where one database is held.
#[derive(Debug, Default)]
struct Slot {
    held: Mutex<Held>,
    used: AtomicU64,
}

#[derive(Debug)]
enum Held {
    Open(Database),
    Closed {
        /// Whether requests without a token have an auth there, if it was asked since the folder was opened.
        has_anonymous: Option<bool>,
    },
    /// It was deleted, or the folder is closed.
    Gone,
}

impl Default for Held {
    fn default() -> Self {
        Self::Closed {
            has_anonymous: None,
        }
    }
}

/// The options of one of a folder's databases.
pub(super) fn options_of(options: &Options, name: &DatabaseName) -> Options {
    let half = options.cache_bytes / 2;
    let cache_bytes = if *name == DatabaseName::of_default() {
        half
    } else {
        half / (DATABASES_OPEN_MAX - 1)
    };
    Options {
        cache_bytes,
        ..options.clone()
    }
}

/// There is none of that name, or it is not to be known.
pub(super) fn no_such_database() -> Error {
    let why = "there is no such database";
    Error::new(ErrorKind::NotFound, "db/not-found", why)
}

impl Databases {
    pub(super) fn new(dir: DataDir, options: Options, people: Arc<People>) -> Self {
        Self {
            dir,
            options,
            people,
            slots: Mutex::default(),
            clock: AtomicU64::new(0),
        }
    }

    /// The database of a fact, opened if it is not.
    ///
    /// # Errors
    /// `Unavailable` if all that may be open are in use, or the disk does not answer; `Corrupt` if its file is not
    /// there, is another's or is damaged; `NotFound` if it was deleted meanwhile.
    pub(super) fn open(&self, entry: &Entry) -> Result<Opened, Error> {
        let slot = self.slot(entry.incarnation);
        let mut held = lock(&slot.held);
        let database = self.hold(entry, &mut held)?;
        Ok(Opened {
            name: entry.name.shared(),
            database,
        })
    }

    /// Whether requests without a token have an auth in this database. It is opened for that once, not each time:
    /// strangers ask.
    ///
    /// # Errors
    /// As [`Databases::open`].
    pub(super) fn has_anonymous(&self, entry: &Entry) -> Result<bool, Error> {
        let slot = self.slot(entry.incarnation);
        let mut held = lock(&slot.held);
        if let Held::Closed {
            has_anonymous: Some(known),
        } = *held
        {
            return Ok(known);
        }
        self.hold(entry, &mut held)?.has_anonymous()
    }

    /// Makes the file of a new database, where it waits for its fact.
    ///
    /// # Errors
    /// `Unavailable` if the disk does not answer.
    pub(super) fn make(&self, name: &DatabaseName, life: Incarnation) -> Result<(), Error> {
        let path = self.dir.aside(Aside::New, name, life);
        make_parent(&path)?;
        let options = options_of(&self.options, name);
        let store = Store::create_sized(&path, life, options.cache_bytes)?;
        let made = Database::start(store, &options);
        made.map(|database| database.close())
    }

    /// Takes away what was made for a fact that did not come.
    pub(super) fn unmake(&self, name: &DatabaseName, life: Incarnation) -> Result<(), Error> {
        remove(&self.dir.aside(Aside::New, name, life))
    }

    /// Closes a database that was deleted, for all, and puts its file where it waits.
    ///
    /// # Errors
    /// `Unavailable` if the disk does not answer; then it is put there when the folder is opened.
    pub(super) fn retire(&self, entry: &Entry) -> Result<(), Error> {
        let slot = self.slot(entry.incarnation);
        let mut held = lock(&slot.held);
        // Whoever still reads its fact as it was finds it gone here, and does not open it again.
        let was_open = self.close_held(&mut held, Held::Gone);
        let waits = self
            .dir
            .aside(Aside::Deleted, &entry.name, entry.incarnation);
        // What was open was of this life, and a reader may have it open still.
        if !exists(&waits)? && (was_open || self.is_of(&entry.name, entry.incarnation)?) {
            move_file(&self.dir.place(&entry.name), &waits)?;
        }
        Ok(())
    }

    /// Puts a database that was restored into its place, to be opened again.
    ///
    /// # Errors
    /// As [`Databases::place`].
    pub(super) fn revive(&self, entry: &Entry) -> Result<(), Error> {
        let slot = self.slot(entry.incarnation);
        let mut held = lock(&slot.held);
        self.place(entry)?;
        if matches!(*held, Held::Gone) {
            *held = Held::default();
        }
        Ok(())
    }

    /// Puts a file that waits into its place, if the database is there by its fact and its place is empty.
    ///
    /// # Errors
    /// `Unavailable` if the disk does not answer.
    pub(super) fn place(&self, entry: &Entry) -> Result<(), Error> {
        let place = self.dir.place(&entry.name);
        if exists(&place)? {
            return Ok(());
        }
        for aside in [Aside::New, Aside::Deleted] {
            let waits = self.dir.aside(aside, &entry.name, entry.incarnation);
            if move_file(&waits, &place)? {
                break;
            }
        }
        Ok(())
    }

    /// Removes the file of a database that can be restored no more.
    ///
    /// # Errors
    /// `Unavailable` if the disk does not answer.
    pub(super) fn purge(&self, entry: &Entry) -> Result<(), Error> {
        lock(&self.slots).by_life.remove(&entry.incarnation);
        let waits = self
            .dir
            .aside(Aside::Deleted, &entry.name, entry.incarnation);
        remove(&waits)
    }

    /// Closes all, for good.
    pub(super) fn close(&self) {
        let slots: Vec<Arc<Slot>> = lock(&self.slots).by_life.values().cloned().collect();
        for slot in slots {
            self.close_held(&mut lock(&slot.held), Held::Gone);
        }
    }

    fn slot(&self, life: Incarnation) -> Arc<Slot> {
        let mut slots = lock(&self.slots);
        let slot = slots.by_life.entry(life).or_default();
        let now = self.clock.fetch_add(1, Ordering::Relaxed);
        slot.used.store(now, Ordering::Relaxed);
        Arc::clone(slot)
    }

    fn hold(&self, entry: &Entry, held: &mut Held) -> Result<Database, Error> {
        match held {
            Held::Open(database) => return Ok(database.clone()),
            Held::Gone => return Err(no_such_database()),
            Held::Closed { .. } => {}
        }
        self.make_room()?;
        let opened = self.open_file(entry);
        match opened {
            Ok(database) => {
                *held = Held::Open(database.clone());
                Ok(database)
            }
            Err(error) => {
                self.give_room();
                Err(error)
            }
        }
    }

    fn open_file(&self, entry: &Entry) -> Result<Database, Error> {
        // What a crash or the disk kept from its place gets there now.
        self.place(entry)?;
        let path = self.dir.place(&entry.name);
        if !exists(&path)? {
            let why = format!("the file of the database `{}` is not there", entry.name);
            return Err(Error::corrupt(why));
        }
        let options = options_of(&self.options, &entry.name);
        let store = Store::open_sized(&path, options.cache_bytes)?;
        if store.incarnation() != entry.incarnation {
            let why = format!("the file of the database `{}` is another's", entry.name);
            return Err(Error::corrupt(why));
        }
        let database = Database::start(store, &options)?;
        database.share_people(&self.people);
        Ok(database)
    }

    /// Whether the file in a place is of this life. It must be open nowhere.
    fn is_of(&self, name: &DatabaseName, life: Incarnation) -> Result<bool, Error> {
        let place = self.dir.place(name);
        if !exists(&place)? {
            return Ok(false);
        }
        Ok(Store::open_as_it_is(&place)?.incarnation() == life)
    }

    /// Takes room for one more, and closes another for it if need be.
    fn make_room(&self) -> Result<(), Error> {
        let candidates = {
            let mut slots = lock(&self.slots);
            if slots.open < ON_DEMAND_MAX {
                slots.open += 1;
                return Ok(());
            }
            let mut candidates: Vec<Arc<Slot>> = slots.by_life.values().cloned().collect();
            candidates.sort_by_key(|slot| slot.used.load(Ordering::Relaxed));
            candidates
        };
        for slot in candidates {
            // One that another thread has to do with is in use.
            let Ok(mut held) = slot.held.try_lock() else {
                continue;
            };
            let Held::Open(database) = &*held else {
                continue;
            };
            if !database.is_idle() {
                continue;
            }
            // Nobody can have it while it is held here, so what was idle is idle until it is closed.
            let has_anonymous = database.has_anonymous().ok();
            database.close();
            *held = Held::Closed { has_anonymous };
            return Ok(());
        }
        let why = "all databases that may be open at one time are in use; try again";
        Err(Error::new(ErrorKind::Unavailable, "db/busy", why))
    }

    fn give_room(&self) {
        let mut slots = lock(&self.slots);
        slots.open = slots.open.saturating_sub(1);
    }

    /// Closes it if it is open, and tells whether it was.
    fn close_held(&self, held: &mut Held, next: Held) -> bool {
        let Held::Open(database) = std::mem::replace(held, next) else {
            return false;
        };
        database.close();
        drop(database);
        self.give_room();
        true
    }
}

/// What stands behind these locks is whole between any two statements.
fn lock<L>(mutex: &Mutex<L>) -> MutexGuard<'_, L> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

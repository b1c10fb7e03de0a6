//! Devices that wait for somebody to sign in for them (RFC 8628): what is known of each between its requests.
//!
//! 1. In memory alone: a device whose server stopped asks anew.
//! 2. A device code is 32 random bytes, kept as its hash. A user code is eight letters of twenty, which spell no
//!    words; it is read in any case, with dashes and spaces anywhere.
//! 3. A code is good once and for ten minutes. What was signed in for a device is handed out once.
//! 4. Guesses are counted by address and in all. A code that is too often guessed at answers no better.
//! 5. All is bounded in number, by address and in all. Of IPv6 a network of 64 bits is one address: who has one of it
//!    has all.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::base::limits::{
    DEVICE_GUESSES_MAX, DEVICE_GUESSES_OF_SOURCE_MAX, DEVICE_INTERVAL_SECONDS, DEVICE_SECONDS_MAX,
    DEVICES_MAX, DEVICES_OF_SOURCE_MAX,
};
use crate::db::Source;

/// The letters of user codes: RFC 8628, section 6.1.
const LETTERS: &[u8; 20] = b"BCDFGHJKLMNPQRSTVWXZ";

/// How many letters a user code has.
const CODE_LETTERS: usize = 8;

const LIFETIME: Duration = Duration::from_secs(DEVICE_SECONDS_MAX);

/// The devices that wait. `S` is what signing in for one comes to.
#[derive(Debug)]
pub(super) struct Devices<S> {
    inner: Mutex<Inner<S>>,
}

#[derive(Debug)]
struct Inner<S> {
    /// By user code.
    waiting: HashMap<String, Device<S>>,
    guesses: HashMap<Source, Guesses>,
    all: Guesses,
}

impl<S> Default for Devices<S> {
    fn default() -> Self {
        Self {
            inner: Mutex::new(Inner {
                waiting: HashMap::new(),
                guesses: HashMap::new(),
                all: Guesses::default(),
            }),
        }
    }
}

/// What a device is told when it asks for codes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Codes {
    pub(super) device_code: String,
    /// As it is shown: two groups and a dash.
    pub(super) user_code: String,
}

/// What a person is shown of a device before they sign in for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Shown {
    /// The code as it is shown.
    pub(super) user_code: String,
    /// Where the device asked from.
    pub(super) source: Source,
    /// The database that it asked for.
    pub(super) database: String,
}

/// What a device's question is answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Poll<S> {
    /// Nobody signed in yet.
    Pending,
    /// It asked too soon, and is to wait five seconds longer from now on.
    SlowDown,
    /// Somebody said no.
    Refused,
    /// There is no such device, or its time is over.
    Unknown,
    /// Somebody signed in.
    Done(S),
}

/// Why no codes are given, or none is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Full {
    /// Too many devices wait, or too many codes were tried.
    TooMany,
}

#[derive(Debug)]
struct Device<S> {
    /// The hash of its device code.
    hash: String,
    source: Source,
    database: String,
    made: Duration,
    interval: Duration,
    asked: Option<Duration>,
    outcome: Option<Result<S, ()>>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Guesses {
    since: Duration,
    count: u32,
}

impl Guesses {
    fn within(&mut self, now: Duration) -> u32 {
        if now.saturating_sub(self.since) > LIFETIME {
            *self = Self {
                since: now,
                count: 0,
            };
        }
        self.count
    }
}

impl<S> Devices<S> {
    /// Takes in a device that asked from `source` for a token of `database`; the codes are random and `hash` is what
    /// is kept of the first.
    pub(super) fn begin(
        &self,
        codes: &Codes,
        hash: String,
        source: Source,
        database: String,
        now: Duration,
    ) -> Result<(), Full> {
        let mut inner = self.lock();
        inner.forget(now);
        let of_source = |device: &&Device<S>| network(device.source) == network(source);
        let from_here = inner.waiting.values().filter(of_source).count();
        let Some(code) = read_code(&codes.user_code) else {
            return Err(Full::TooMany);
        };
        if inner.waiting.len() >= DEVICES_MAX
            || from_here >= DEVICES_OF_SOURCE_MAX
            || inner.waiting.contains_key(&code)
        {
            return Err(Full::TooMany);
        }
        let device = Device {
            hash,
            source,
            database,
            made: now,
            interval: Duration::from_secs(DEVICE_INTERVAL_SECONDS),
            asked: None,
            outcome: None,
        };
        inner.waiting.insert(code, device);
        Ok(())
    }

    /// The device with a user code that somebody typed, while nobody answered for it; `None` if there is none.
    ///
    /// # Errors
    /// If too many codes that name none were tried, from there or in all.
    pub(super) fn show(
        &self,
        typed: &str,
        source: Source,
        now: Duration,
    ) -> Result<Option<Shown>, Full> {
        let mut inner = self.lock();
        inner.forget(now);
        let source = network(source);
        inner.may_guess(source, now)?;
        let found = read_code(typed).and_then(|code| {
            let device = inner.waiting.get(&code)?;
            device.outcome.is_none().then(|| Shown {
                user_code: spell(&code),
                source: device.source,
                database: device.database.clone(),
            })
        });
        if found.is_none() {
            inner.count_guess(source, now);
        }
        Ok(found)
    }

    /// Answers for the device with this user code. Whether there was one that waited.
    pub(super) fn answer(&self, typed: &str, outcome: Result<S, ()>, now: Duration) -> bool {
        let mut inner = self.lock();
        inner.forget(now);
        let device = read_code(typed).and_then(|code| inner.waiting.get_mut(&code));
        match device {
            Some(device) if device.outcome.is_none() => {
                device.outcome = Some(outcome);
                true
            }
            _ => false,
        }
    }

    /// A device asks; `hash` is that of its code.
    pub(super) fn poll(&self, hash: &str, now: Duration) -> Poll<S> {
        let mut inner = self.lock();
        inner.forget(now);
        let found = inner
            .waiting
            .iter_mut()
            .find(|(_, device)| device.hash == hash);
        let Some((code, device)) = found else {
            return Poll::Unknown;
        };
        if device.outcome.is_some() {
            let code = code.clone();
            return match inner.waiting.remove(&code).and_then(|it| it.outcome) {
                Some(Ok(signed_in)) => Poll::Done(signed_in),
                Some(Err(())) => Poll::Refused,
                None => Poll::Unknown,
            };
        }
        let too_soon = device
            .asked
            .is_some_and(|asked| now.saturating_sub(asked) < device.interval);
        device.asked = Some(now);
        if too_soon {
            device.interval = device
                .interval
                .saturating_add(Duration::from_secs(DEVICE_INTERVAL_SECONDS));
            return Poll::SlowDown;
        }
        Poll::Pending
    }

    fn lock(&self) -> MutexGuard<'_, Inner<S>> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl<S> Inner<S> {
    fn forget(&mut self, now: Duration) {
        let is_over = |since: Duration| now.saturating_sub(since) > LIFETIME;
        self.waiting.retain(|_, device| !is_over(device.made));
        self.guesses.retain(|_, guesses| !is_over(guesses.since));
    }

    fn may_guess(&mut self, source: Source, now: Duration) -> Result<(), Full> {
        let here = self.guesses.get_mut(&source);
        let here = here.map_or(0, |guesses| guesses.within(now));
        if here >= DEVICE_GUESSES_OF_SOURCE_MAX || self.all.within(now) >= DEVICE_GUESSES_MAX {
            return Err(Full::TooMany);
        }
        Ok(())
    }

    fn count_guess(&mut self, source: Source, now: Duration) {
        self.all.count = self.all.count.saturating_add(1);
        // There are no more of these than guesses in all.
        let here = self.guesses.entry(source).or_insert(Guesses {
            since: now,
            count: 0,
        });
        here.count = here.count.saturating_add(1);
    }
}

/// What is counted as one address.
fn network(source: Source) -> Source {
    match source.address {
        Some(IpAddr::V6(address)) => Source::from(IpAddr::from(Ipv6Addr::from_bits(
            address.to_bits() >> 64 << 64,
        ))),
        Some(IpAddr::V4(_)) | None => source,
    }
}

/// The letters of a code that somebody typed: any case, with dashes and spaces anywhere.
fn read_code(typed: &str) -> Option<String> {
    let letters = typed.bytes().filter(|b| !matches!(b, b'-' | b' '));
    let code: Vec<u8> = letters
        .take(CODE_LETTERS + 1)
        .map(|b| b.to_ascii_uppercase())
        .collect();
    let is_code = code.len() == CODE_LETTERS && code.iter().all(|b| LETTERS.contains(b));
    is_code.then(|| String::from_utf8(code).ok())?
}

/// A user code out of random bytes; `None` if they are too few. Bytes past the last whole twenty are passed over,
/// so that every letter is as likely.
pub(super) fn user_code(random: &[u8]) -> Option<String> {
    let fair = random.iter().filter(|byte| **byte < 240);
    let letters = fair.filter_map(|byte| LETTERS.get(usize::from(byte % 20)));
    let code: String = letters
        .take(CODE_LETTERS)
        .map(|letter| char::from(*letter))
        .collect();
    (code.len() == CODE_LETTERS).then(|| spell(&code))
}

fn spell(code: &str) -> String {
    let (first, last) = code
        .split_at_checked(CODE_LETTERS / 2)
        .unwrap_or((code, ""));
    format!("{first}-{last}")
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use super::*;

    const NOW: Duration = Duration::from_secs(1_000);

    fn at(last: u8) -> Source {
        IpAddr::V4(Ipv4Addr::new(10, 0, 0, last)).into()
    }

    fn code(number: usize) -> String {
        let mut random = [0; CODE_LETTERS];
        let mut rest = number;
        for byte in &mut random {
            *byte = u8::try_from(rest % 20).unwrap();
            rest /= 20;
        }
        user_code(&random).unwrap()
    }

    fn begin(devices: &Devices<u32>, number: usize, source: Source) -> Result<(), Full> {
        let codes = Codes {
            device_code: format!("d{number}"),
            user_code: code(number),
        };
        let database = "local/default".to_owned();
        devices.begin(&codes, format!("h{number}"), source, database, NOW)
    }

    #[test]
    fn a_device_gets_what_was_signed_in_for_it_once() {
        let devices = Devices::default();
        begin(&devices, 7, at(1)).unwrap();
        assert_eq!(devices.poll("h7", NOW), Poll::Pending);
        let shown = devices.show(&code(7), at(2), NOW).unwrap().unwrap();
        assert_eq!((shown.source, shown.user_code), (at(1), code(7)));
        assert!(devices.answer(&code(7), Ok(5), NOW));
        assert!(!devices.answer(&code(7), Ok(6), NOW), "answered twice");
        assert_eq!(devices.show(&code(7), at(2), NOW), Ok(None));
        assert_eq!(devices.poll("h7", NOW), Poll::Done(5));
        assert_eq!(devices.poll("h7", NOW), Poll::Unknown);
        assert_eq!(devices.poll("h8", NOW), Poll::Unknown);
    }

    #[test]
    fn a_device_that_is_refused_is_told_so_once() {
        let devices = Devices::default();
        begin(&devices, 7, at(1)).unwrap();
        assert!(devices.answer(&code(7), Err(()), NOW));
        assert_eq!(devices.poll("h7", NOW), Poll::Refused);
        assert_eq!(devices.poll("h7", NOW), Poll::Unknown);
    }

    #[test]
    fn who_asks_too_soon_waits_longer_from_then_on() {
        let devices = Devices::<u32>::default();
        let after = |seconds| NOW + Duration::from_secs(seconds);
        begin(&devices, 7, at(1)).unwrap();
        assert_eq!(devices.poll("h7", NOW), Poll::Pending);
        assert_eq!(devices.poll("h7", after(4)), Poll::SlowDown);
        assert_eq!(devices.poll("h7", after(13)), Poll::SlowDown);
        assert_eq!(devices.poll("h7", after(28)), Poll::Pending);
    }

    #[test]
    fn a_code_is_good_for_ten_minutes() {
        let devices = Devices::default();
        begin(&devices, 7, at(1)).unwrap();
        let end = NOW + LIFETIME;
        assert!(devices.show(&code(7), at(1), end).unwrap().is_some());
        let past = end + Duration::from_millis(1);
        assert!(devices.show(&code(7), at(1), past).unwrap().is_none());
        assert!(!devices.answer(&code(7), Ok(1), past));
        assert_eq!(devices.poll("h7", past), Poll::Unknown);
    }

    #[test]
    fn a_code_is_read_however_it_is_typed() {
        for (typed, read) in [
            ("BCDF-GHJK", Some("BCDFGHJK")),
            ("bcdfghjk", Some("BCDFGHJK")),
            (" b-c-d-f g h j k ", Some("BCDFGHJK")),
            ("BCDF-GHJ", None),
            ("BCDF-GHJKL", None),
            ("ACDF-GHJK", None),
            ("", None),
            ("\u{131}cdfghjk", None),
        ] {
            assert_eq!(read_code(typed).as_deref(), read, "{typed}");
        }
    }

    #[test]
    fn a_user_code_needs_enough_fair_bytes() {
        assert_eq!(user_code(&[0; 8]).as_deref(), Some("BBBB-BBBB"));
        assert_eq!(user_code(&[239; 8]).as_deref(), Some("ZZZZ-ZZZZ"));
        assert_eq!(user_code(&[240; 64]), None);
        assert_eq!(user_code(&[0; 7]), None);
    }

    #[test]
    fn guesses_are_bounded_from_one_address() {
        let devices = Devices::<u32>::default();
        begin(&devices, 7, at(1)).unwrap();
        for number in 0..DEVICE_GUESSES_OF_SOURCE_MAX {
            let guess = code(usize::try_from(number).unwrap() + 100);
            assert_eq!(devices.show(&guess, at(2), NOW), Ok(None));
        }
        // The right one is no longer answered there, and is elsewhere.
        assert_eq!(devices.show(&code(7), at(2), NOW), Err(Full::TooMany));
        assert!(devices.show(&code(7), at(3), NOW).unwrap().is_some());
        let later = NOW + LIFETIME + Duration::from_secs(1);
        assert_eq!(devices.show(&code(7), at(2), later), Ok(None));
    }

    #[test]
    fn an_ipv6_network_is_one_address() {
        let devices = Devices::<u32>::default();
        let host = |number: usize| {
            let host: IpAddr = format!("2001:db8::{number:x}").parse().unwrap();
            Source::from(host)
        };
        for number in 0..DEVICES_OF_SOURCE_MAX {
            begin(&devices, number, host(number)).unwrap();
        }
        assert_eq!(begin(&devices, 900_000, host(99)), Err(Full::TooMany));
        for number in 0..DEVICE_GUESSES_OF_SOURCE_MAX {
            let from = host(usize::try_from(number).unwrap());
            assert_eq!(devices.show("nonsense", from, NOW), Ok(None));
        }
        assert_eq!(devices.show(&code(7), host(99), NOW), Err(Full::TooMany));
        let other = Source::from("2001:db8:0:1::1".parse::<IpAddr>().unwrap());
        begin(&devices, 900_000, other).unwrap();
        let shown = devices.show(&code(7), other, NOW).unwrap().unwrap();
        // The whole address is shown.
        assert_eq!(shown.source, host(7));
    }

    #[test]
    fn guesses_are_bounded_in_all() {
        let devices = Devices::<u32>::default();
        begin(&devices, 7, at(1)).unwrap();
        for number in 0..DEVICE_GUESSES_MAX {
            let source = Source::from(IpAddr::from(number.to_be_bytes()));
            assert_eq!(devices.show("nonsense", source, NOW), Ok(None));
        }
        assert_eq!(devices.show(&code(7), at(3), NOW), Err(Full::TooMany));
        let later = NOW + LIFETIME + Duration::from_secs(1);
        assert_eq!(devices.show(&code(7), at(3), later), Ok(None));
    }

    #[test]
    fn devices_are_bounded_from_one_address_and_in_all() {
        let devices = Devices::default();
        for number in 0..DEVICES_OF_SOURCE_MAX {
            begin(&devices, number, at(1)).unwrap();
        }
        assert_eq!(begin(&devices, 900_000, at(1)), Err(Full::TooMany));
        for number in DEVICES_OF_SOURCE_MAX..DEVICES_MAX {
            let source = at(u8::try_from(2 + number / DEVICES_OF_SOURCE_MAX).unwrap());
            begin(&devices, number, source).unwrap();
        }
        assert_eq!(begin(&devices, 900_000, at(99)), Err(Full::TooMany));
        devices.answer(&code(0), Err(()), NOW);
        assert_eq!(devices.poll("h0", NOW), Poll::Refused);
        begin(&devices, 900_000, at(99)).unwrap();
        assert_eq!(
            begin(&devices, 900_000, at(99)),
            Err(Full::TooMany),
            "a code that is taken"
        );
    }
}

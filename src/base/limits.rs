//! Every limit of the product, with the reason for its value.
//!
//! A limit is named by what it bounds, its unit, and `_MAX`. Each is tested at its edge and one past it.

/// A request's body, bytes: ten thousand items of ordinary size fit; a larger load is cut into several.
pub const BODY_BYTES_MAX: usize = 4 * 1024 * 1024;

/// Nesting of a JSON text: no real request goes deeper than a crawl of ten levels, at two each.
pub const JSON_DEPTH_MAX: usize = 64;

/// Items of one transaction, nested ones counted: what a writer stages while the others wait.
pub const TRANSACTION_ITEMS_MAX: usize = 10_000;

/// Bytes of what the functions in a transaction's values give, all of them together: as many as could have been sent.
pub const FUNCTION_VALUE_BYTES_MAX: usize = BODY_BYTES_MAX;

/// Flakes of one commit: bounds the memory and the disk write of one block.
pub const COMMIT_FLAKES_MAX: usize = 100_000;

/// Flakes that one commit erases: a subject that changed half a million times is still erased whole, and the list
/// stays below twenty megabytes.
pub const COMMIT_ERASED_MAX: usize = 1_000_000;

/// A string value, bytes: larger things belong in an object store, with their address here.
pub const STRING_BYTES_MAX: usize = 1024 * 1024;

/// Digits of a `bigint` or `bigdec`, without zeros at the ends: every double is one exactly (767 digits at most), and so
/// is every integer of 3,321 bits.
pub const DECIMAL_DIGITS_MAX: usize = 1_000;

/// The power of ten that the first digit of a `bigint` or `bigdec` stands for, up or down: every double's fits, and no
/// number is written with more than 2,002 characters.
pub const DECIMAL_EXPONENT_MAX: i32 = 1_000;

/// Levels of geometry collections in a `geojson`: RFC 7946 advises against nesting any.
pub const GEOMETRY_DEPTH_MAX: usize = 4;

/// The name of a collection, a predicate or a tempid, bytes.
pub const NAME_BYTES_MAX: usize = 255;

/// Rule text, bytes: a rule that a person can review.
pub const RULE_TEXT_BYTES_MAX: usize = 8 * 1024;

/// Nodes of one rule function as written.
pub const RULE_NODES_MAX: usize = 512;

/// Nodes of one rule function with everything it calls put in: stops texts that double at each call.
pub const RULE_EXPANDED_NODES_MAX: usize = 4_096;

/// Nesting of a rule function, calls counted: the evaluator recurses this deep and no deeper.
pub const RULE_DEPTH_MAX: usize = 32;

/// Arguments of one call.
pub const RULE_ARITY_MAX: usize = 64;

/// A symbol in rule text, bytes: two names and a slash.
pub const RULE_SYMBOL_BYTES_MAX: usize = 2 * NAME_BYTES_MAX + 1;

/// Steps of one path in a rule.
pub const RULE_PATH_STEPS_MAX: usize = 8;

/// Steps of one rule judged in a write: far above any rule that a person writes.
pub const RULE_STEPS_MAX: u64 = 10_000;

/// Steps of one query that a function asks: where nothing else bounds a rule, as in a read, this does.
pub const QUERY_IN_RULE_STEPS_MAX: u64 = 100_000;

/// Elements of a set in a rule.
pub const RULE_SET_MAX: usize = 100_000;

/// Bytes of a text that `re-find` searches, and of a text that `str` makes.
pub const RULE_STRING_BYTES_MAX: usize = 64 * 1024;

/// The compiled size of a literal pattern, bytes.
pub const PATTERN_BYTES_MAX: usize = 256 * 1024;

/// Steps of one request: about a second of a busy core.
pub const REQUEST_STEPS_MAX: u64 = 10_000_000;

/// Rows of one answer, and objects put into it by a crawl: an answer a client can hold.
pub const QUERY_ROWS_MAX: usize = 100_000;

/// Clauses of one query: what joins them looks at each pair of them.
pub const QUERY_CLAUSES_MAX: usize = 64;

/// Nodes of all expressions of a query: so many may be searches for a pattern that a query compiles thirty megabytes.
pub const QUERY_EXPRESSION_NODES_MAX: usize = 4_096;

/// The bytes of rows that a query holds at one time: sixteen such queries fit a small machine.
pub const QUERY_MEMORY_BYTES_MAX: usize = 256 * 1024 * 1024;

/// How deeply groups of clauses may nest: more than anybody reads.
pub const QUERY_GROUPS_DEPTH_MAX: usize = 8;

/// Steps of one path, and rounds of rules that call one another: a chain of so many is longer than any that people
/// make, and each round is a pass over all rules.
pub const QUERY_ROUNDS_MAX: usize = 10_000;

/// Rules of one query, stored ones with them: more than anybody follows.
pub const QUERY_RULES_MAX: usize = 64;

/// Arguments of a rule: what its callers bind of them is told apart, so there are at most 256 ways to call it.
pub const QUERY_RULE_ARGUMENTS_MAX: usize = 8;

/// Items of all rules of one query, their heads with them: eight to a rule.
pub const QUERY_RULE_ITEMS_MAX: usize = 8 * QUERY_RULES_MAX;

/// Ways to call the rules of one query that are told apart; of more, all rows are found.
pub const QUERY_RULE_CALLS_MAX: usize = 256;

/// Arms of one `union`: as many as clauses.
pub const QUERY_ARMS_MAX: usize = 64;

/// The times that the clauses of one query have of their own: the state of each is opened, with the schema of then, and
/// held until the answer is made.
pub const QUERY_MOMENTS_MAX: usize = 16;

/// What a query of clauses selects of each row.
pub const QUERY_SELECT_MAX: usize = 256;

/// What the rows of a query of clauses are ordered by: each is a pass over all of them.
pub const QUERY_ORDERS_MAX: usize = 16;

/// Levels of a crawl.
pub const CRAWL_DEPTH_MAX: usize = 10;

/// Queries of one multi-query: they share the steps of one request, and each answer is held until the last is there.
pub const QUERY_MULTI_MAX: usize = 64;

/// Auths by which the blocks of one history are chosen: each is looked up.
pub const HISTORY_AUTHS_MAX: usize = 64;

/// Terms of a `where` string.
pub const WHERE_TERMS_MAX: usize = 64;

/// Bytes of a `where` string.
pub const WHERE_BYTES_MAX: usize = 8 * 1024;

/// A line of what is imported, or an item of an array, bytes: the largest transaction, written at greater length.
pub const IMPORT_LINE_BYTES_MAX: usize = 2 * BODY_BYTES_MAX;

/// Items that an import puts into one transaction, nested ones counted: the more, the less each costs.
pub const IMPORT_CHUNK_ITEMS_MAX: usize = TRANSACTION_ITEMS_MAX;

/// Values that an import puts into one transaction: each may replace another and make a tag, three flakes in all.
pub const IMPORT_CHUNK_VALUES_MAX: usize = 30_000;

/// The text that an import puts into one transaction, bytes.
pub const IMPORT_CHUNK_BYTES_MAX: usize = BODY_BYTES_MAX;

/// Values that an import under an auth's rules puts into one transaction: each may be judged twice, by as many steps
/// as a rule may take.
pub const IMPORT_JUDGED_VALUES_MAX: usize = 500;

/// Named tempids of one import: what is kept of each is a hash and an id, in a third of a gigabyte for all, so that
/// an import needs less than one with the store's cache.
pub const IMPORT_NAMES_MAX: usize = 7_000_000;

/// How long an export may take, seconds: hundreds of millions of flakes; the store reuses no page meanwhile.
pub const EXPORT_SECONDS_MAX: u64 = 3_600;

/// Pages that the store keeps in memory, bytes, for reads and for what a commit has not written yet; the system keeps
/// others.
pub const STORE_CACHE_BYTES_MAX: usize = 512 * 1024 * 1024;

/// Databases of a data folder that are open at one time, the default one and `solon/master` among them: each has a
/// file, a thread and a share of the cache. Those that nobody uses make room.
pub const DATABASES_OPEN_MAX: usize = 16;

/// Databases of one network, with those that can still be restored: each takes a megabyte or two of disk before anything
/// is in it, and whoever owns an account makes them without asking.
pub const NETWORK_DATABASES_MAX: usize = 64;

/// A part of a database's name, bytes: both, with what stands around them in a file's name, stay below 255.
pub const DATABASE_NAME_BYTES_MAX: usize = 100;

/// How long a database that was deleted can be restored, seconds: whoever misses it does so within the day.
pub const DATABASE_UNDO_SECONDS: u64 = 86_400;

/// A row of the audit trail, bytes: ids, an address and a code have three hundred.
pub const EVENT_BYTES_MAX: usize = 1_024;

/// Rows of the audit trail in one answer.
pub const LOG_ROWS_MAX: usize = 1_000;

/// Rows of the audit trail in one answer, if the request names no number.
pub const LOG_ROWS_DEFAULT: usize = 100;

/// Rows of the audit trail that one request looks at, for those that have a status: about a second's work.
pub const LOG_ROWS_SCANNED_MAX: u64 = 1_000_000;

/// Rows of the audit trail that are taken away in one disk transaction: others wait for it.
pub const LOG_ROWS_PRUNED_MAX: u64 = 20_000;

/// Denials that are told apart in one minute, by auth and code: a few megabytes. Of those past it the code is told.
pub const DENIALS_MAX: usize = 4_096;

/// How long denials of one auth and code are counted before they are written, seconds: then a flood of them costs one
/// row in that time.
pub const DENIAL_SECONDS: u64 = 60;

/// How long an idempotency key is kept, seconds: a client that repeats a request does so within the day.
pub const IDEMPOTENCY_SECONDS_MAX: u64 = 86_400;

/// An idempotency key, bytes: a uuid has 36.
pub const IDEMPOTENCY_KEY_BYTES_MAX: usize = 255;

/// Transactions that wait for the writer; more are told to come back.
pub const WRITER_QUEUE_MAX: usize = 1_024;

/// Transactions of one group commit.
pub const GROUP_TRANSACTIONS_MAX: usize = 64;

/// Request bytes of one group commit.
pub const GROUP_BYTES_MAX: usize = 4 * 1024 * 1024;

/// The longest life of a snapshot, seconds: the store reuses no page that a snapshot may still read.
pub const SNAPSHOT_SECONDS_MAX: u64 = 30;

/// The longest time one request may take, seconds.
pub const REQUEST_SECONDS_MAX: u64 = 30;

/// The longest time that judging one transaction may take at its turn, seconds: all others wait for it, so it is
/// half of a request's.
pub const TRANSACTION_SECONDS_MAX: u64 = 15;

/// The life of a root token, seconds: a root token that leaks is dead within the hour.
pub const ROOT_TOKEN_SECONDS_MAX: u64 = 3_599;

/// How far ahead the issue of a token may be, milliseconds. A `validAfter` is rounded up to the second, and so is a
/// second one within that second; a mint takes the later as its issue, and is good at once.
pub const ISSUED_AHEAD_MS_MAX: i64 = 2_000;

/// A token without a record may live this long, seconds; a longer one gets a record it dies with.
pub const UNRECORDED_TOKEN_SECONDS_MAX: u64 = 86_400;

/// The longest life that can be asked of a token, seconds: a hundred years, so that sums stay in range.
pub const TOKEN_SECONDS_MAX: u64 = 100 * 366 * 86_400;

/// The life of an API token that nobody asked another of, seconds: what runs once a month is set up anew as often.
pub const API_TOKEN_SECONDS: u64 = 30 * 86_400;

/// The name of an API token, characters: a line that tells it from others.
pub const TOKEN_NAME_CHARS_MAX: usize = 128;

/// Tokens that one list tells of; more are asked for behind the last.
pub const TOKENS_LISTED_MAX: usize = 1_000;

/// Tokens whose last use is kept in memory: about 150 bytes each. Of more, the use is not told until the next commit
/// has written these.
pub const TOKEN_USES_MAX: usize = 65_536;

/// How often the last use of tokens is written, seconds: what is lost when the power goes is the use of a minute.
pub const TOKEN_USES_SECONDS: u64 = 60;

/// Records of ended tokens that go when one is made: more than one, so that they become fewer.
pub const TOKEN_RECORDS_SWEPT_MAX: usize = 16;

/// Records of ended tokens that are looked at for that: a few may be held back by what still asks for them.
pub const TOKEN_RECORDS_LOOKED_AT_MAX: usize = 4 * TOKEN_RECORDS_SWEPT_MAX;

/// A token, bytes: ours have about 400.
pub const TOKEN_BYTES_MAX: usize = 4 * 1024;

/// A file of a key folder, bytes: one key in PEM has about 120; what is longer is something else.
pub const KEY_FILE_BYTES_MAX: usize = 4 * 1024;

/// Keys of a folder: one that will sign, one that signs, and those that tokens of the last months were signed by.
pub const KEYS_MAX: usize = 64;

/// Keys that were revoked and are remembered as such; their files are gone.
pub const REVOKED_KEYS_MAX: usize = 64;

/// How long others may keep the set of public keys, seconds.
pub const JWKS_AGE_SECONDS_MAX: u64 = 300;

/// How long a key is published before it signs, seconds: everyone has asked for the keys anew by then.
pub const KEY_PUBLISHED_SECONDS: u64 = 2 * JWKS_AGE_SECONDS_MAX;

/// How long a server goes on without a look at its key folder, milliseconds: that soon a revoked key ends.
pub const KEYS_LOOK_MS_MAX: u64 = 1_000;

/// The fewest bytes of a password that is set: what NIST SP 800-63B asks of one that a person makes up.
pub const PASSWORD_BYTES_MIN: usize = 8;

/// A password, bytes: any sentence that a person types; what is longer is never right.
pub const PASSWORD_BYTES_MAX: usize = 1_024;

/// The record of a password, bytes: the longest of our own and of other programs' has about 200.
pub const PASSWORD_RECORD_BYTES_MAX: usize = 512;

/// Memory of one check of a password, KiB: what OWASP asks of scrypt, and more than the defaults of other programs.
pub const PASSWORD_MEMORY_KIB_MAX: u32 = 128 * 1_024;

/// Memory times passes of one check of a password, KiB: about half a second of a core.
pub const PASSWORD_WORK_KIB_MAX: u32 = 512 * 1_024;

/// Lanes of argon2: other programs take as many as a machine has cores.
pub const PASSWORD_LANES_MAX: u32 = 16;

/// The cost of bcrypt, a power of two: about a second of a core.
pub const PASSWORD_BCRYPT_COST_MAX: u32 = 14;

/// Rounds of PBKDF2 for each 32 bytes of hash: above Django's defaults of some years to come, about a second of a core.
pub const PASSWORD_ROUNDS_MAX: u32 = 2_000_000;

/// The salt in the record of a password, bytes: programs write 8 to 32.
pub const PASSWORD_SALT_BYTES_MAX: usize = 64;

/// The fewest bytes of the hash in the record of a password: a shorter one is met by chance.
pub const PASSWORD_HASH_BYTES_MIN: usize = 16;

/// The hash in the record of a password, bytes: the longest that programs write by default.
pub const PASSWORD_HASH_BYTES_MAX: usize = 64;

/// The life of an access token that nobody asked another of, seconds: a right that is taken away is gone at once, and a
/// token that is stolen soon.
pub const ACCESS_TOKEN_SECONDS: u64 = 300;

/// How long a sign-in lasts without being used, seconds: who is away for two weeks signs in anew.
pub const REFRESH_SECONDS_MAX: u64 = 14 * 86_400;

/// How long a sign-in lasts in all, seconds: a year.
pub const FAMILY_SECONDS_MAX: u64 = 365 * 86_400;

/// How long a refresh token that was used gives the same successor again, seconds: a client that lost the answer asks
/// again within this.
pub const REFRESH_GRACE_SECONDS_MAX: u64 = 30;

/// The life of a token that resets a password, seconds: time to read a message.
pub const RESET_TOKEN_SECONDS_MAX: u64 = 1_800;

/// Auths of one user whose passwords one sign-in is compared with: each costs as much as a sign-in.
pub const SIGN_IN_AUTHS_MAX: usize = 4;

/// Requests that wait for a password to be checked; more are told to come back. They take turns that others want, so
/// it is a quarter of those.
pub const PASSWORD_WAITERS_MAX: usize = 64;

/// How long a request waits for a password to be checked, seconds; then it is told to come back.
pub const PASSWORD_WAIT_SECONDS_MAX: u64 = 5;

/// Failed sign-ins of one name from one source; then that source is locked out. A person who mistypes needs three.
pub const LOCKOUT_FAILURES_MAX: usize = 5;

/// How long a source is locked out of a name, seconds: 3,600 guesses a day at the most.
pub const LOCKOUT_SECONDS: u64 = 120;

/// Failed sign-ins of one name from all sources; then its sign-ins are slowed down.
pub const SLOW_DOWN_FAILURES_MAX: usize = 20;

/// The time between two tries of a name that is slowed down, seconds: who is not known yet still gets in, with patience.
pub const SLOW_DOWN_SECONDS: u64 = 10;

/// Failed sign-ins from one source, of whatever names; then that source is slowed down. An office behind one address
/// mistypes less.
pub const SOURCE_FAILURES_MAX: usize = 100;

/// The time between two tries from a source that is slowed down, seconds: whoever tries one password on many names is a
/// hundred times slower by it, and others behind the same address get in.
pub const SOURCE_SLOW_DOWN_SECONDS: u64 = 1;

/// How long a failed sign-in counts, seconds: longer than a lock-out lasts, so that waiting gains nothing on it.
pub const SIGN_IN_FAILURE_SECONDS_MAX: u64 = 600;

/// How long a source that signed in is exempt from the slow-down of that name, seconds: as long as its sign-in lasts.
pub const SIGN_IN_TRUST_SECONDS_MAX: u64 = REFRESH_SECONDS_MAX;

/// Names and sources whose sign-ins are remembered: about 200 bytes each. To lock out as many within the time that a
/// lock-out lasts takes more checks of passwords than a machine can do.
pub const LOCKOUTS_MAX: usize = 16_384;

/// Tokens that are remembered as verified.
pub const VERIFIED_TOKENS_MAX: usize = 65_536;

/// Requests that are worked on at one time; more wait their turn.
pub const CONCURRENT_REQUESTS_MAX: usize = 256;

/// How long a request waits for its turn, seconds; then it is told to come back.
pub const REQUEST_WAIT_SECONDS_MAX: u64 = 5;

/// Connections that are open at one time; more wait to be accepted.
pub const CONNECTIONS_MAX: usize = 1_024;

/// How long the head of a request may take, also on a connection that idles, seconds.
pub const HEAD_SECONDS_MAX: u64 = 30;

/// The head of a request, bytes: a token, and what proxies and browsers add.
pub const HEAD_BYTES_MAX: usize = 64 * 1024;

/// How long the body of a request may take, seconds: the largest, at a little more than one megabit a second.
pub const BODY_SECONDS_MAX: u64 = 30;

/// How long a client may take in nothing of its answer, seconds: then the connection is given up.
pub const WRITE_SECONDS_MAX: u64 = 30;

/// A body that is read before its bearer is known, bytes: what a thousand strangers can make us hold.
pub const STRANGER_BODY_BYTES_MAX: usize = 64 * 1024;

/// The body of a signed command, bytes: its sender is a stranger until its signature is verified.
pub const COMMAND_BODY_BYTES_MAX: usize = STRANGER_BODY_BYTES_MAX;

/// Transactions that one command depends on: each is looked for among the blocks.
pub const COMMAND_DEPENDENCIES_MAX: usize = 64;

/// How far ahead the end of a command of root may be, seconds: as long as a root token lives.
pub const ROOT_COMMAND_SECONDS_MAX: u64 = ROOT_TOKEN_SECONDS_MAX;

/// How long a device waits for somebody to sign in for it, seconds (RFC 8628 says ten minutes is enough).
pub const DEVICE_SECONDS_MAX: u64 = 600;

/// How often a device may ask whether somebody did, seconds; RFC 8628's own default.
pub const DEVICE_INTERVAL_SECONDS: u64 = 5;

/// Devices that wait at one time. With codes out of 20^8, one in 25 million guesses then hits.
pub const DEVICES_MAX: usize = 1_000;

/// Devices that wait at one time and asked from one address, so that one address does not take all the places.
pub const DEVICES_OF_SOURCE_MAX: usize = 20;

/// User codes that name no device and may be tried from one address within [`DEVICE_SECONDS_MAX`].
pub const DEVICE_GUESSES_OF_SOURCE_MAX: u32 = 10;

/// User codes that name no device and may be tried in all within [`DEVICE_SECONDS_MAX`].
pub const DEVICE_GUESSES_MAX: u32 = 1_000;

/// A form that signs a user in, bytes: the longest password, percent-encoded, and room for the rest.
pub const FORM_BYTES_MAX: usize = 16 * 1024;

/// A request id that a client chose, bytes.
pub const REQUEST_ID_BYTES_MAX: usize = 128;

/// How long a TLS handshake may take, seconds: a few turns on the slowest line, and a place is held meanwhile.
pub const TLS_HANDSHAKE_SECONDS_MAX: u64 = 10;

/// A certificate, key or bundle of authorities, bytes: the bundle of a whole system has about 250,000.
pub const TLS_FILE_BYTES_MAX: usize = 1024 * 1024;

/// How often it is looked whether the files of TLS changed, seconds.
pub const TLS_LOOK_SECONDS: u64 = 10;

/// How long a client certificate on an open connection counts without being verified anew, seconds: then its end, and
/// an authority that was taken away, are seen.
pub const CERTIFICATE_LOOK_SECONDS: u64 = 60;

/// Names that a client certificate counts for beside its hash: each is looked up at every request.
pub const CERTIFICATE_NAMES_MAX: usize = 16;

/// A name in a client certificate, bytes: a SPIFFE id may be as long.
pub const CERTIFICATE_NAME_BYTES_MAX: usize = 2_048;

/// Requests that one HTTP/2 connection has open at one time: each holds a head, and perhaps a body.
pub const HTTP2_STREAMS_MAX: u32 = 32;

/// Requests over HTTP/2 that are open beside the first of each connection, on all of them together: so HTTP/2 doubles
/// what strangers can make us hold, and no more.
pub const HTTP2_STREAMS_BESIDE_MAX: usize = CONNECTIONS_MAX;

/// A frame of HTTP/2, bytes: the least that the protocol allows, so that no request keeps the others waiting long.
pub const HTTP2_FRAME_BYTES_MAX: u32 = 16 * 1024;

/// Requests that an HTTP/2 client took back and nobody has dealt with yet: more is a flood, and ends the connection.
pub const HTTP2_RESETS_MAX: usize = 32;

/// Bytes of one answer that wait inside an HTTP/2 connection; the rest waits outside, where it is seen that it waits.
pub const HTTP2_SEND_BYTES_MAX: usize = 64 * 1024;

/// How long an HTTP/2 connection is quiet before it is asked whether the client is still there, seconds.
pub const HTTP2_PING_SECONDS: u64 = 15;

/// How long the answer to that may take, seconds.
pub const HTTP2_PING_SECONDS_MAX: u64 = 10;

/// How often a connection is looked at for what it waits for, seconds: that much later than its time it may end.
pub const CONNECTION_LOOK_SECONDS: u64 = 5;

/// How long a stop waits for what was accepted, seconds.
pub const SHUTDOWN_SECONDS_MAX: u64 = 10;

/// How long the command line waits for a connection, seconds.
pub const CLIENT_CONNECT_SECONDS_MAX: u64 = 10;

/// How long the command line waits for an answer, seconds: longer than a server lets a request wait and work.
pub const CLIENT_SECONDS_MAX: u64 = 60;

/// An answer that the command line takes in, bytes: a thousand rows of a list, and room.
pub const CLIENT_ANSWER_BYTES_MAX: u64 = 16 * 1024 * 1024;

/// A file of certificates that the command line reads, bytes: those of all public authorities have about 250,000.
pub const CERTIFICATES_BYTES_MAX: usize = 1024 * 1024;

/// A token file, bytes: two tokens, and what stands beside them.
pub const TOKEN_FILE_BYTES_MAX: usize = 32 * 1024;

/// An access token is renewed by the command line this long before its end, seconds: a request with it, and what
/// the clocks differ by.
pub const TOKEN_RENEWED_BEFORE_SECONDS: u64 = 30;

/// A file of users that the command line imports at one time, bytes: it is held whole, and wiped.
pub const USERS_FILE_BYTES_MAX: usize = 64 * 1024 * 1024;

/// What is read of a password on standard input, bytes: one byte more than the longest, and its line's end.
pub const PASSWORD_INPUT_BYTES_MAX: usize = 4 * 1024;

/// The highest collection id: keeps subject ids below 2^53, where every JSON reader is exact.
pub const COLLECTION_ID_MAX: u16 = 511;

const _: () = {
    assert!(RULE_NODES_MAX <= RULE_EXPANDED_NODES_MAX);
    assert!(TRANSACTION_ITEMS_MAX <= COMMIT_FLAKES_MAX);
    assert!(STRING_BYTES_MAX < BODY_BYTES_MAX);
    assert!(IMPORT_CHUNK_VALUES_MAX * 3 <= COMMIT_FLAKES_MAX);
    assert!(IMPORT_JUDGED_VALUES_MAX <= IMPORT_CHUNK_VALUES_MAX);
    assert!(STRANGER_BODY_BYTES_MAX <= BODY_BYTES_MAX);
    // The text of a command is kept as one value.
    assert!(COMMAND_BODY_BYTES_MAX <= STRING_BYTES_MAX);
    // The two that are always open, and one more at a time.
    assert!(DATABASES_OPEN_MAX > 2);
    // `NETWORK.NAME.INCARNATION.redb.scrub`
    assert!(2 * DATABASE_NAME_BYTES_MAX + 2 + 32 + 11 <= NAME_BYTES_MAX);
    assert!(CONCURRENT_REQUESTS_MAX <= CONNECTIONS_MAX);
    assert!(KEY_PUBLISHED_SECONDS * 1_000 > JWKS_AGE_SECONDS_MAX * 1_000 + KEYS_LOOK_MS_MAX);
    // A line of the list is an id of 43 letters, a space and a second.
    assert!(REVOKED_KEYS_MAX * 64 <= KEY_FILE_BYTES_MAX);
    assert!(PASSWORD_BYTES_MIN < PASSWORD_BYTES_MAX);
    assert!(PASSWORD_HASH_BYTES_MIN < PASSWORD_HASH_BYTES_MAX);
    assert!(PASSWORD_MEMORY_KIB_MAX <= PASSWORD_WORK_KIB_MAX);
    assert!(TLS_HANDSHAKE_SECONDS_MAX <= SHUTDOWN_SECONDS_MAX);
    // Who asks nothing is ended before its second ping.
    assert!(HTTP2_PING_SECONDS + HTTP2_PING_SECONDS_MAX < HEAD_SECONDS_MAX);
    assert!(PASSWORD_WAITERS_MAX * 4 <= CONCURRENT_REQUESTS_MAX);
    assert!(LOCKOUT_SECONDS < SIGN_IN_FAILURE_SECONDS_MAX);
    assert!(ACCESS_TOKEN_SECONDS <= UNRECORDED_TOKEN_SECONDS_MAX);
    assert!(ROOT_TOKEN_SECONDS_MAX < UNRECORDED_TOKEN_SECONDS_MAX);
    assert!(API_TOKEN_SECONDS <= TOKEN_SECONDS_MAX);
    assert!(SNAPSHOT_SECONDS_MAX >= REQUEST_SECONDS_MAX);
    assert!(TRANSACTION_SECONDS_MAX < REQUEST_SECONDS_MAX);
    assert!(CLIENT_SECONDS_MAX > REQUEST_SECONDS_MAX + REQUEST_WAIT_SECONDS_MAX);
};

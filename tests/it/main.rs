//! The one integration test binary. What belongs in which file:
//!
//! - `accounts`: who may make, delete, restore and list databases, and mint in them
//! - `api_tokens`: tokens of programs: who gets one, what it may, when it is good no more, when it was used
//! - `asked`: queries that functions ask: the manual, bounds, what is absent, random ones beside their twins
//! - `attack`: attacks that must fail: guesses at hidden facts, rights taken sideways, writes half made
//! - `attack_changes`: attacks by changes of the schema, by erasing, and by what is imported
//! - `attack_tokens`: forged tokens: algorithms, keys, headers and claims of somebody's own
//! - `attack_writes`: attacks by what a transaction does beside writing: functions, specs, components, trials
//! - `bombs`: queries that would take for ever or all memory, or that nobody would send
//! - `certificate`: client certificates: whom one names, and when it names nobody any more
//! - `cli`: the command line: exit codes and outputs
//! - `cli_client`: the command line as a client of servers that are played: where a token goes, exit codes
//! - `cli_tls`: the command line as a client over TLS: each of its flags has its effect alone
//! - `cli_tokens`: the command line as a client of a served folder: signing in, tokens, users
//! - `command`: signed commands: signatures, authorities, nonces and terms
//! - `command_door`: signed commands and new keys over HTTP: the protocol, not the meaning
//! - `conformance`: the cases of `tests/conformance`, each through the library and over HTTP
//! - `contexts`: what a function may ask for in each place where one is asked
//! - `crash`: the power cut at every sync, disks that fail, and files that were tampered with
//! - `databases`: many databases in one folder: apart, opened on demand, their files where the facts want them
//! - `device`: signing in for a device: its endpoints, the page, and what must not get through them
//! - `durability`: what a receipt promises when the power goes or the disk fails
//! - `export`: exporting: the same state comes back, and nothing hidden goes out
//! - `ended`: all tokens of a database end at once, of whatever kind
//! - `erase`: what is erased is in no table, not in the log, and not in the bytes of the file
//! - `flood`: floods of bad tokens and of sign-ins, counted in work, while others go on
//! - `group_model`: what groups of clauses mean, said slowly; for `groups` and `sparql`
//! - `group_random`: random groups, and worlds that they are about
//! - `groups`: random groups beside what they mean, in any order, under a view, and with what is hidden changed
//! - `history`: block, history and multi-queries beside a plain list of all flakes, what is hidden from them, their limits
//! - `http`: the HTTP door: routes, headers, refusals, limits at the edge, a graceful stop
//! - `import`: importing: forms, edges, tempids, lines of errors
//! - `import_again`: importing again: what was made is made once, whatever stopped the import before
//! - `jwks`: the public keys over HTTP, and a server that notices what `solon keys` did to its folder
//! - `keys`: the keys that sign commands: what is one, who may give one, their files
//! - `keys_cli`: `solon keys` on the command line
//! - `killed`: the program killed in the middle of its work
//! - `laws`: the law of rules point by point, each test with the number of its point
//! - `limits`: each limit at its maximum and one past it
//! - `manual`: the manual of transactions, run as it stands
//! - `mint`: tokens as the database judges them: who may mint for whom, and when a token is good no more
//! - `model`: random commits to the store and to a plain set of flakes agree
//! - `moments`: clauses with times of their own, on random histories: at one time as `block`, at two as a join of both
//! - `naive_transact`: random transactions against a plain processor of them: flakes, tempids, codes and places agree
//! - `noise`: requests that nobody would send, seeded
//! - `clauses`: random queries of clauses beside nested loops over a plain list, in any order, and under a view
//! - `oracle`: the law of rules, transcribed slowly, against the room `policy`
//! - `passwords`: who may set one, what that ends, tokens that reset one, new users; and that no record is seen
//! - `people_door`: signing in and all about passwords over HTTP
//! - `races`: many writers at once, and a checker of their receipts: nothing lost, nothing twice, nothing by halves
//! - `refresh`: refresh tokens: rotated, repeated, used twice, at one time and on a disk that fails
//! - `renames`: a rename changes nobody's rights: on random worlds, and where somebody tries to make it
//! - `rotation`: the life of the keys that sign tokens, in a folder and in a process that has it open
//! - `sealed`: every sealed predicate through every door, and that what is superseded is gone
//! - `signin`: signing in by a password: who gets tokens, what a failure tells, who is locked out
//! - `sparql`: random groups beside oxigraph, which is asked the same in SPARQL
//! - `revoke`: listing and revoking tokens: whose, by whom, and that the very next request is refused
//! - `stats`: how far a database is and how much is in it, and to whom that is told
//! - `support`: databases, clocks, disks, clients and randomness for all the others
//! - `threads`: many callers at once: nothing lost, nothing by halves, revocation seen
//! - `tidy`: the house itself: floors, fences around outside crates, module docs, file names, documented codes
//! - `trail`: the audit trail: what stands in it, who reads what of it, and that it survives what the ledger survives
//! - `tls`: TLS, HTTP/2 and client certificates on the wire: files, reloading, floods and stops
//! - `token`: access tokens and the keys that sign them: each check failing, a driven clock, key files
//! - `token_model`: random lives of tokens against a plain state machine: each is good or refused as that says
//! - `token_oracle`: the law of rules on `_token`, transcribed slowly, against lists and revocations
//! - `token_records`: what is kept of tokens: sign-ins and their long tokens, what is swept, long lists, restarts
//! - `tokens_door`: API tokens, lists and revocations over HTTP: the protocol, not the meaning
//! - `weka`: the doors of a storage vendor's REST API, as its own clients use them
//! - `write_paths`: every way to write, on a disk that fails and with the power cut: whole or absent, and once

mod accounts;
mod api_tokens;
mod asked;
mod attack;
mod attack_changes;
mod attack_people;
mod attack_tokens;
mod attack_writes;
mod bombs;
mod certificate;
mod clauses;
#[cfg(feature = "cli")]
mod cli;
#[cfg(feature = "cli")]
mod cli_client;
#[cfg(feature = "cli")]
mod cli_tls;
#[cfg(feature = "cli")]
mod cli_tokens;
mod command;
#[cfg(feature = "server")]
mod command_door;
mod conformance;
mod contexts;
mod crash;
mod databases;
#[cfg(feature = "server")]
mod device;
mod durability;
mod ended;
mod erase;
mod export;
#[cfg(feature = "server")]
mod flood;
mod group_model;
mod group_random;
mod groups;
mod history;
#[cfg(feature = "server")]
mod http;
mod import;
mod import_again;
#[cfg(feature = "cli")]
mod jwks;
mod keys;
#[cfg(feature = "cli")]
mod keys_cli;
#[cfg(feature = "cli")]
mod killed;
mod laws;
mod limits;
mod manual;
mod mint;
mod model;
mod moments;
mod naive_transact;
mod noise;
mod oracle;
mod passwords;
#[cfg(feature = "server")]
mod people_door;
mod races;
mod refresh;
mod renames;
mod revoke;
mod rotation;
#[cfg(feature = "server")]
mod sealed;
mod signin;
mod sparql;
mod stats;
mod support;
mod threads;
mod tidy;
#[cfg(feature = "server")]
mod tls;
mod token;
mod token_model;
mod token_oracle;
mod token_records;
#[cfg(feature = "server")]
mod tokens_door;
mod trail;
#[cfg(feature = "server")]
mod weka;
mod write_paths;

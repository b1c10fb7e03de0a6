//! The answer of `ledger-stats`: `{"status": 200, "data": {"status": "ready", "block", "t", "instant", "hash"?,
//! "flakes"?, "size"?, "scrubDue"?}}`; what has a question mark is for root alone. `t` is negative.

use serde::Serialize;

use crate::db;
use crate::model::SubjectId;

/// How far a database is.
#[derive(Debug, Serialize)]
pub struct Stats {
    status: u16,
    data: Data,
}

#[derive(Debug, Serialize)]
struct Data {
    status: &'static str,
    block: u64,
    t: i64,
    instant: i64,
    #[serde(flatten)]
    totals: Option<Totals>,
}

#[derive(Debug, Serialize)]
#[serde(rename_all = "camelCase")]
struct Totals {
    hash: String,
    flakes: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    size: Option<u64>,
    scrub_due: bool,
}

impl From<db::Stats> for Stats {
    fn from(stats: db::Stats) -> Self {
        let totals = stats.totals.map(|totals| Totals {
            hash: totals.hash,
            flakes: totals.flakes,
            size: totals.size_bytes,
            scrub_due: totals.is_scrub_due,
        });
        Self {
            status: 200,
            data: Data {
                status: "ready",
                block: stats.block.0,
                t: SubjectId::of_block(stats.block).raw(),
                instant: stats.instant_ms,
                totals,
            },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::T;

    #[test]
    fn stats_have_the_members_that_were_promised() {
        let json = |totals| {
            let stats = db::Stats {
                block: T(3),
                instant_ms: 9,
                totals,
            };
            serde_json::to_string(&Stats::from(stats)).unwrap()
        };
        assert_eq!(
            json(None),
            r#"{"status":200,"data":{"status":"ready","block":3,"t":-3,"instant":9}}"#
        );
        let totals = db::Totals {
            hash: "aa".to_owned(),
            flakes: 7,
            size_bytes: Some(4_096),
            is_scrub_due: false,
        };
        assert_eq!(
            json(Some(totals)),
            concat!(
                r#"{"status":200,"data":{"status":"ready","block":3,"t":-3,"instant":9,"#,
                r#""hash":"aa","flakes":7,"size":4096,"scrubDue":false}}"#
            )
        );
    }
}

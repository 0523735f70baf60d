//! What is told of a report: who, when and why, as the operators' API shows it. Not what was said or written, and not from
//! where: whoever needs that asks the API, which knows who may see it and writes down who has decided.

use crate::store::{Call, Gravity};
use bytes::Bytes;
use serde::Serialize;

/// What has happened, as receivers tell one kind of call from another.
const TYPE: &str = "report.created";

#[derive(Serialize)]
struct Body<'a> {
    r#type: &'static str,
    /// When it has happened, in ms since the Unix epoch.
    timestamp: i64,
    data: Data<'a>,
}

/// Named as in the API's `Report`.
#[derive(Serialize)]
struct Data<'a> {
    id: i64,
    at_ms: i64,
    chat: &'a str,
    reason: &'a str,
    reporter: Option<String>,
    reported: Option<String>,
    weight: i64,
    has_evidence: bool,
    /// Named as in the API.
    against: Option<Gravity>,
}

/// The body of a call, in JSON. It is the same at each try, unless the reporter has said more or somebody in it was forgotten.
pub(super) fn body(call: &Call) -> Bytes {
    let body = Body {
        r#type: TYPE,
        timestamp: call.at_ms,
        data: Data {
            id: call.report,
            at_ms: call.at_ms,
            chat: &call.chat,
            reason: &call.reason,
            reporter: call.reporter.map(|subject| subject.to_string()),
            reported: call.reported.map(|subject| subject.to_string()),
            weight: call.weight,
            has_evidence: call.has_evidence,
            against: call.against,
        },
    };
    serde_json::to_vec(&body)
        .expect("texts and numbers are JSON")
        .into()
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::store::Subject;

    pub(in super::super) fn call() -> Call {
        Call {
            id: 7,
            name: "msg_1".to_owned(),
            tries: 1,
            report: 42,
            at_ms: 1_800_000_000_000,
            chat: "c1".to_owned(),
            reason: "threat".to_owned(),
            reporter: None,
            reported: Some(Subject([0xb2; 16])),
            weight: 250,
            has_evidence: true,
            against: Some(Gravity {
                reports: 3,
                reporters: 2,
                networks: 1,
                weight: 1500,
            }),
        }
    }

    #[test]
    fn a_report_is_told_in_the_words_of_the_api() {
        let told = body(&call());
        let expected = concat!(
            r#"{"type":"report.created","timestamp":1800000000000,"data":{"id":42,"at_ms":1800000000000,"#,
            r#""chat":"c1","reason":"threat","reporter":null,"reported":"b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2b2","#,
            r#""weight":250,"has_evidence":true,"#,
            r#""against":{"reports":3,"reporters":2,"networks":1,"weight":1500}}}"#
        );
        assert_eq!(std::str::from_utf8(&told).unwrap(), expected);
    }
}

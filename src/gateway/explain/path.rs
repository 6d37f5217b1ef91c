//! The path of a request, and what others may read in it.

use crate::admin::ReadingTold;
use crate::policy::{Place, Question, Routes};
use crate::web::CanonicalPath;

/// The path that is matched and forwarded, beside its other readings.
#[derive(Debug)]
pub(super) struct PathTold {
    pub(super) canonical: Option<String>,
    pub(super) readings: Vec<ReadingTold>,
}

impl PathTold {
    pub(super) fn of(routes: &Routes, question: &Question) -> Self {
        let Ok(path) = CanonicalPath::parse(&question.path) else {
            return Self { canonical: None, readings: Vec::new() };
        };
        let others = routes.other_readings(&question.host, &path, &question.method);
        let readings = others.into_iter().map(|reading| ReadingTold {
            path: reading.path,
            leads_to: leads_to(reading.place),
            agrees: reading.agrees,
        });
        Self { canonical: Some(path.as_str().to_owned()), readings: readings.collect() }
    }
}

fn leads_to(place: Place<'_>) -> String {
    match place {
        Place::Own => "the gateway's own endpoints".to_owned(),
        Place::Route(route) => format!("route `{}`", route.key),
        Place::MethodNotAllowed(allow) => {
            format!("a path that takes {} only", String::from_utf8_lossy(allow.as_bytes()))
        }
        Place::Nowhere => "no route".to_owned(),
    }
}

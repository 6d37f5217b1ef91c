//! What only a gateway that runs can be asked.

use std::sync::Arc;

use super::Door;
use crate::admin::{Asked, PolicyCommand, Refusal, RefusalKind, Reply};
use crate::printable::Printable;

impl Door {
    pub(super) async fn policy(&self, command: PolicyCommand) -> Result<Reply, Refusal> {
        let obey = Arc::clone(self.policy.as_ref().ok_or_else(no_gateway)?);
        let obeyed = tokio::task::spawn_blocking(move || obey(command)).await;
        obeyed.map_err(|_panicked| no_gateway())?.map(Reply::Policy)
    }

    pub(super) async fn why(&self, id: String) -> Result<Reply, Refusal> {
        let find = self.past.as_ref().ok_or_else(no_gateway)?;
        let shown = Printable(&id).to_string();
        let requests = find(id).await;
        if requests.is_empty() {
            let detail = format!(
                "no request `{shown}` is remembered: each worker keeps the last ones, as many as \
                 `[admin] recent` says; the access log has older ones"
            );
            return Err(Refusal::new(RefusalKind::NotFound, detail));
        }
        Ok(Reply::Past { requests })
    }

    pub(super) fn explained(&self, asked: &Asked) -> Result<Reply, Refusal> {
        let explain = self.explain.as_ref().ok_or_else(no_gateway)?;
        explain(asked).map(|told| Reply::Explained(Box::new(told)))
    }

    pub(super) fn state(&self) -> Result<Reply, Refusal> {
        let state = self.state.as_ref().ok_or_else(no_gateway)?;
        Ok(Reply::State(state()))
    }
}

pub(super) fn no_gateway() -> Refusal {
    Refusal::new(RefusalKind::Unavailable, "no gateway runs here")
}

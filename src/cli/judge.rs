//! A policy file that can be asked what it makes of a request that nobody has sent.

use crate::config::Config;
use crate::gateway::{Finding, Hosts, Rulebook};
use crate::policy::Question;

/// A policy file that can be asked.
#[derive(Debug)]
pub(super) struct Judge {
    pub(super) config: Config,
    hosts: Hosts,
}

impl Judge {
    pub(super) fn new(config: Config) -> Self {
        let hosts = Hosts::new(&config);
        Self { config, hosts }
    }

    pub(super) fn rulebook(&self) -> Rulebook<'_> {
        Rulebook::of(&self.config, &self.hosts)
    }

    /// Takes a request the way that the gateway would take it.
    pub(super) fn ask(&self, question: &Question) -> Finding<'_> {
        self.rulebook().ask(question)
    }
}

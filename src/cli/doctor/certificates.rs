//! The certificates that clients are shown: how long, and for whom.

use super::finding::{Findings, Level};
use crate::clock::{Clock, SystemClock, Timestamp};
use crate::config::Config;
use crate::tls::{Standing, TlsSettings};

pub(super) fn look(config: &Config, findings: &mut Findings) {
    let Some(tls) = config.tls.as_ref().filter(|_| config.listen.iter().any(|one| one.tls)) else {
        return;
    };
    let now = SystemClock.now();
    for pair in tls.pairs() {
        let leaf = pair.leaf();
        let mut names: Vec<_> = leaf.names().collect();
        names.sort_unstable();
        let whose = format!("the certificate for {}", names.join(", "));
        let days = leaf.ends().since(now).as_secs() / (24 * 60 * 60);
        let ends = leaf.ends();
        match leaf.standing(now) {
            Standing::Good => {
                findings.ok("certificates", format!("{whose} is good for {days} days"));
            }
            Standing::EndsSoon(_) => findings.add(
                Level::Warning,
                "certificates",
                format!("{whose} ends in {days} days, at {ends}"),
                "renew it; the new files are read by themselves",
            ),
            Standing::Ended(_) => findings.add(
                Level::Problem,
                "certificates",
                format!("{whose} ended at {ends}, and clients refuse it"),
                "renew it; the new files are read by themselves",
            ),
            Standing::Early(starts) => findings.add(
                Level::Problem,
                "certificates",
                format!("{whose} begins at {starts}, and clients refuse it until then"),
                "wait, or look at the clock of this machine",
            ),
        }
    }
    if tls.awaited.as_ref().is_some_and(|awaited| awaited.pair().is_none()) {
        findings.add(
            Level::Warning,
            "certificates",
            "none has been issued yet by the authority in [tls.acme]",
            "start the gateway; its log says why, if there is none a minute later",
        );
    }
    lists(tls, now, findings);
    let Some(public) = config.public.as_ref().filter(|public| public.https) else { return };
    let issued = config.acme.iter().flat_map(|acme| &acme.domains).any(|it| *it == public.host);
    if issued || tls.pairs().any(|pair| pair.leaf().covers(&public.host)) {
        findings.ok("certificates", format!("one is for {}, as `public` says", public.host));
    } else {
        findings.add(
            Level::Problem,
            "certificates",
            format!("none is for {}, which is `public`: clients refuse it there", public.host),
            "get one for that name, or mend `public`",
        );
    }
}

/// What the authorities of clients have taken back.
fn lists(tls: &TlsSettings, now: Timestamp, findings: &mut Findings) {
    for over in tls.client_ca.iter().flat_map(|authorities| authorities.over(now)) {
        let (file, since) = (over.path.display(), over.since);
        findings.add(
            Level::Problem,
            "certificates",
            format!("the revocation list in {file} ended at {since}: whoever needs it is refused"),
            "fetch the next one; it is read by itself",
        );
    }
}

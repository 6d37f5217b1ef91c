//! Files that change, one look at a time.

use std::fs;
use std::path::Path;

use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, IsCa, Issuer,
    KeyIdMethod, KeyPair, RevokedCertParams, SerialNumber, date_time_ymd,
};
use rustls::pki_types::CertificateDer;
use tempfile::TempDir;

use super::*;
use crate::log_sink::LogSink;
use crate::tls::Authorities;

const NOW: Timestamp = Timestamp::from_secs(1_790_000_000);

struct Scene {
    folder: TempDir,
    tls: ServerTls,
    log: LogSink,
}

/// A certificate that ends with a year, and its key.
fn made(last: i32) -> (String, String) {
    let key = KeyPair::generate().unwrap();
    let mut params = CertificateParams::new(["gate.test".to_owned()]).unwrap();
    params.not_before = date_time_ymd(2020, 1, 1);
    params.not_after = date_time_ymd(last, 1, 1);
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

fn write(folder: &Path, (cert, key): &(String, String)) {
    fs::write(folder.join("cert.pem"), cert).unwrap();
    fs::write(folder.join("key.pem"), key).unwrap();
}

impl Scene {
    fn new() -> Self {
        let folder = tempfile::tempdir().unwrap();
        write(folder.path(), &made(4000));
        let pair = Pair::read(&folder.path().join("cert.pem"), &folder.path().join("key.pem"));
        let tls = ServerTls::new(&TlsSettings::new(pair.unwrap())).unwrap();
        Self { folder, tls, log: LogSink::default() }
    }

    /// When the certificate ends that is shown after a look, and what was said meanwhile.
    fn look(&self, always: bool) -> (Timestamp, String) {
        let before = self.log.text().len();
        tracing::subscriber::with_default(self.log.subscriber(), || self.tls.look(always, NOW));
        let shown = self.tls.now().choose(ClientAuth::Off, Some("gate.test")).unwrap();
        (shown.leaf().ends(), self.log.text().split_off(before))
    }
}

fn year(year: i32) -> Timestamp {
    let seconds = u64::try_from(date_time_ymd(year, 1, 1).unix_timestamp()).unwrap();
    Timestamp::from_secs(seconds)
}

#[test]
fn nothing_is_read_that_has_not_changed() {
    let scene = Scene::new();
    assert_eq!(scene.look(false), (year(4000), String::new()));
    let (ends, said) = scene.look(true);
    assert_eq!(ends, year(4000));
    assert_eq!(said.matches("certificate read").count(), 1, "{said}");
}

#[test]
fn a_half_written_pair_is_complained_of_once_and_taken_up_when_it_is_whole() {
    let scene = Scene::new();
    let folder = scene.folder.path();
    let (cert, key) = made(3000);
    fs::write(folder.join("cert.pem"), &cert).unwrap();
    let (ends, said) = scene.look(false);
    assert_eq!(ends, year(4000));
    assert!(said.contains("ERROR") && said.contains("key.pem"), "{said}");
    assert!(said.contains("the private key does not fit"), "{said}");
    assert_eq!(scene.look(false), (year(4000), String::new()));
    fs::write(folder.join("key.pem"), &key).unwrap();
    let (ends, said) = scene.look(false);
    assert_eq!(ends, year(3000));
    assert!(said.contains("INFO") && said.contains("cert.pem"), "{said}");
}

#[test]
fn a_broken_file_leaves_the_old_one_in_force_and_its_content_out_of_the_log() {
    let scene = Scene::new();
    let folder = scene.folder.path();
    let secret = "-----BEGIN PRIVATE KEY-----\nhunter2hunter2\n-----END PRIVATE KEY-----\n";
    for content in ["", "hunter2", secret] {
        fs::write(folder.join("key.pem"), content).unwrap();
        let (ends, said) = scene.look(false);
        assert_eq!(ends, year(4000));
        assert_eq!(said.matches("ERROR").count(), 1, "{said}");
        assert!(said.contains("key.pem") && !said.contains("hunter2"), "{said}");
        assert_eq!(scene.look(false), (year(4000), String::new()));
    }
    fs::remove_file(folder.join("cert.pem")).unwrap();
    let (ends, said) = scene.look(false);
    assert_eq!(ends, year(4000));
    assert!(said.contains("cannot be read"), "{said}");
    // Asked to, it says so again.
    assert!(scene.look(true).1.contains("cannot be read"));
    write(folder, &made(3000));
    assert_eq!(scene.look(false).0, year(3000));
}

#[test]
fn a_certificate_that_has_ended_is_taken_with_a_warning() {
    let scene = Scene::new();
    write(scene.folder.path(), &made(2025));
    let (ends, said) = scene.look(false);
    assert_eq!(ends, year(2025));
    let warning = "the certificate ended at 2025-01-01T00:00:00Z, and clients refuse it; renew it";
    assert!(said.contains("WARN") && said.contains(warning), "{said}");
}

/// An authority whose list is looked at, and somebody with a certificate of it.
struct Clients {
    scene: Scene,
    issuer: Issuer<'static, KeyPair>,
    holder: CertificateDer<'static>,
}

impl Clients {
    fn new() -> Self {
        let mut scene = Scene::new();
        let mut params = CertificateParams::default();
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        let key = KeyPair::generate().unwrap();
        let place = |name: &str| scene.folder.path().join(name);
        fs::write(place("ca.pem"), params.self_signed(&key).unwrap().pem()).unwrap();
        let issuer = Issuer::new(params, key);
        let mut params = CertificateParams::default();
        params.serial_number = Some(SerialNumber::from(7_u64));
        let holder = params.signed_by(&KeyPair::generate().unwrap(), &issuer).unwrap();
        let holder = holder.der().clone();
        fs::write(place("list.pem"), list(&issuer, &[], 4000)).unwrap();
        let mut settings = scene.tls.settings().clone();
        settings.client_ca =
            Some(Authorities::read(&place("ca.pem"), &[place("list.pem")]).unwrap());
        scene.tls = ServerTls::new(&settings).unwrap();
        Self { scene, issuer, holder }
    }

    /// What is said of another list, and whether the holder is believed after it.
    fn hear(&self, list: &str) -> (String, bool) {
        fs::write(self.scene.folder.path().join("list.pem"), list).unwrap();
        let (_, said) = self.scene.look(false);
        (said, self.is_believed())
    }

    fn is_believed(&self) -> bool {
        let judge = self.scene.tls.now().judge().unwrap();
        judge.good_until(std::slice::from_ref(&self.holder), &[], NOW).is_some()
    }
}

fn list(issuer: &Issuer<'_, KeyPair>, taken_back: &[u64], last: i32) -> String {
    let revoked = taken_back.iter().map(|serial| RevokedCertParams {
        serial_number: SerialNumber::from(*serial),
        revocation_time: date_time_ymd(2020, 1, 1),
        reason_code: None,
        invalidity_date: None,
    });
    let params = CertificateRevocationListParams {
        this_update: date_time_ymd(2020, 1, 1),
        next_update: date_time_ymd(last, 1, 1),
        crl_number: SerialNumber::from(1_u64),
        issuing_distribution_point: None,
        revoked_certs: revoked.collect(),
        key_identifier_method: KeyIdMethod::Sha256,
    };
    params.signed_by(issuer).unwrap().pem().unwrap()
}

#[test]
fn a_broken_list_leaves_the_old_one_in_force() {
    let clients = Clients::new();
    assert!(clients.is_believed());
    let (said, is_believed) = clients.hear(&list(&clients.issuer, &[7], 4000));
    assert!(said.contains("INFO") && said.contains("list.pem") && !is_believed, "{said}");
    let whole = list(&clients.issuer, &[], 4000);
    let half = whole.split_at(whole.len() / 2).0;
    for broken in ["", "a letter to my aunt", half] {
        let (said, is_believed) = clients.hear(broken);
        assert!(said.contains("ERROR") && said.contains("list.pem"), "{said}");
        assert!(said.contains("no usable revocation list"), "{said}");
        assert!(!is_believed);
        assert_eq!(clients.scene.look(false).1, "");
    }
    assert!(clients.hear(&whole).1);
    assert!(!clients.hear(&list(&clients.issuer, &[1, 7, 9], 4000)).1);
    fs::remove_file(clients.scene.folder.path().join("list.pem")).unwrap();
    assert!(clients.scene.look(false).1.contains("cannot be read") && !clients.is_believed());
}

#[test]
fn a_list_that_is_over_is_complained_of_when_that_is_noticed_and_says_nothing() {
    let clients = Clients::new();
    let (said, is_believed) = clients.hear(&list(&clients.issuer, &[], 2021));
    assert!(said.contains("ERROR") && said.contains("revocation list over"), "{said}");
    assert!(said.contains("2021-01-01T00:00:00Z") && !is_believed, "{said}");
    assert_eq!(clients.scene.look(false).1, "");
    assert!(clients.hear(&list(&clients.issuer, &[], 4000)).1);
}

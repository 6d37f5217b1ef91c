//! A real PostgreSQL, and a real `PgBouncer` before it: each of a test's own, on a port of its own, gone
//! with the test.

use std::ffi::OsStr;
use std::fs;
use std::io::{BufRead, BufReader};
use std::os::unix::fs::chown;
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use portcullis::Secret;
use portcullis::store::PostgresSettings;
use rcgen::{BasicConstraints, CertificateParams, CertifiedIssuer, IsCa, KeyPair};
use tempfile::TempDir;
use tokio_postgres::NoTls;

const USER: &str = "gate";
pub(crate) const PASSWORD: &str = "only-for-this-test";

/// How long a server may take to start.
const START: Duration = Duration::from_secs(60);

/// Where Debian puts the programs of the server, besides those on the path.
const FOLDERS: &str = "/usr/lib/postgresql";

/// A cluster of databases.
pub(crate) struct Cluster {
    folder: TempDir,
    port: u16,
    server: Option<Server>,
    databases: AtomicU32,
}

/// A pool of connections before a cluster, which hands each connection on after a transaction.
pub(crate) struct Bouncer {
    port: u16,
    _server: Server,
}

impl Cluster {
    /// Makes a cluster and starts it. Whatever is missing fails the test.
    pub(crate) fn start() -> Self {
        let folder = TempDir::new().unwrap();
        give(folder.path());
        let password = folder.path().join("password");
        fs::write(&password, PASSWORD).unwrap();
        give(&password);
        certificates(folder.path());
        let mut initdb = unprivileged(&program("initdb"));
        initdb.arg("--pgdata").arg(folder.path().join("data")).arg("--pwfile").arg(password);
        initdb.args(["--no-sync", "--encoding=UTF8", "--locale=C", "--auth=scram-sha-256"]);
        let made = initdb.args(["--username", USER]).output().unwrap();
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let mut cluster =
            Self { folder, port: free_port(), server: None, databases: AtomicU32::new(0) };
        cluster.run();
        cluster
    }

    /// Starts the server again where it was stopped.
    pub(crate) fn run(&mut self) {
        let folder = self.folder.path();
        let mut server = unprivileged(Path::new("sh"));
        server.args(["-c", RUN, "sh", "QUIT"]).arg(program("postgres"));
        server.arg("-D").arg(folder.join("data")).args(["-p", &self.port.to_string()]);
        server.arg("-k").arg(folder);
        for setting in [
            "listen_addresses=127.0.0.1",
            "max_connections=600",
            "fsync=off",
            "max_wal_size=64MB",
            "shared_preload_libraries=pg_stat_statements",
            "ssl=on",
            &format!("ssl_cert_file={}", folder.join("server.pem").display()),
            &format!("ssl_key_file={}", folder.join("server.key").display()),
        ] {
            server.args(["-c", setting]);
        }
        self.server = Some(Server::start(server, "database system is ready to accept connections"));
    }

    /// Stops the server, as if its machine had lost its power.
    pub(crate) fn stop(&mut self) {
        self.server = None;
    }

    /// A database with nothing in it.
    pub(crate) async fn database(&self) -> String {
        let number = self.databases.fetch_add(1, Ordering::Relaxed);
        let name = format!("gate{number}");
        self.command("postgres", &format!("CREATE DATABASE {name}")).await;
        name
    }

    /// Has the database do something that no store does.
    pub(crate) async fn command(&self, database: &str, sql: &str) {
        self.client(database).await.batch_execute(sql).await.unwrap();
    }

    /// A client of that database, at its socket.
    pub(crate) async fn client(&self, database: &str) -> tokio_postgres::Client {
        let mut config = tokio_postgres::Config::new();
        config.host_path(self.folder.path()).port(self.port);
        config.user(USER).password(PASSWORD).dbname(database);
        let (client, connection) = config.connect(NoTls).await.unwrap();
        tokio::spawn(connection);
        client
    }

    /// Where it is, by the name in its certificate.
    pub(crate) fn url(&self, database: &str) -> String {
        format!("postgres://{USER}:{PASSWORD}@localhost:{}/{database}", self.port)
    }

    /// Who vouches for its certificate, as a file.
    pub(crate) fn authority(&self) -> PathBuf {
        self.folder.path().join("authority.pem")
    }

    /// How a store gets at a database by its socket, patiently.
    pub(crate) fn settings(&self, database: &str) -> PostgresSettings {
        let folder = self.folder.path().display().to_string().replace('/', "%2F");
        patient(&format!("postgres://{USER}:{PASSWORD}@{folder}:{}/{database}", self.port))
    }
}

/// Those of a test on a machine that has other things to do.
pub(crate) fn patient(url: &str) -> PostgresSettings {
    let mut settings = PostgresSettings::of_url(&Secret::from(url.to_owned())).unwrap();
    settings.timeout = Duration::from_secs(60);
    settings
}

impl Bouncer {
    pub(crate) fn before(cluster: &Cluster) -> Self {
        let folder = cluster.folder.path();
        let (port, users) = (free_port(), folder.join("users.txt"));
        fs::write(&users, format!("\"{USER}\" \"{PASSWORD}\"\n")).unwrap();
        give(&users);
        let file = folder.join("bouncer.ini");
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\n\
             listen_port = {port}\nunix_socket_dir =\nauth_type = scram-sha-256\n\
             auth_file = {}\npool_mode = transaction\ndefault_pool_size = 4\n\
             max_client_conn = 600\nserver_idle_timeout = 5\n",
            cluster.port,
            users.display()
        );
        fs::write(&file, text).unwrap();
        give(&file);
        let mut server = unprivileged(Path::new("sh"));
        server.args(["-c", RUN, "sh", "TERM"]).arg(program("pgbouncer")).arg(file);
        Self { port, _server: Server::start(server, "process up") }
    }

    pub(crate) fn settings(&self, database: &str) -> PostgresSettings {
        let url = format!("postgres://{USER}:{PASSWORD}@127.0.0.1:{}/{database}", self.port);
        let mut settings = patient(&url).in_clear();
        settings.prepared = false;
        settings
    }
}

/// Runs a server until the test lets go of it, or is gone itself: its end of the pipe is closed then.
/// The first argument is the signal that ends it at once.
const RUN: &str =
    r#"signal=$1; shift; "$@" & server=$!; read -r _; kill "-$signal" $server; wait $server"#;

/// A server that runs. Dropped, it is stopped, whatever it is doing.
struct Server {
    process: Child,
    pipe: Option<ChildStdin>,
}

impl Server {
    /// Waits until it says `ready`.
    fn start(mut command: Command, ready: &str) -> Self {
        command.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::piped());
        let mut process = command.spawn().unwrap();
        let (pipe, said) = (process.stdin.take(), process.stderr.take().unwrap());
        let server = Self { process, pipe };
        let (tell, told) = channel();
        // To its end: who writes into a full pipe stands still.
        std::thread::spawn(move || {
            for line in BufReader::new(said).lines().map_while(Result::ok) {
                // Nobody wants to know after the start.
                drop(tell.send(line));
            }
        });
        wait_for(ready, &told);
        server
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        drop(self.pipe.take());
        // A test that panics is told of already.
        drop(self.process.wait());
    }
}

fn wait_for(ready: &str, told: &Receiver<String>) {
    let (until, mut said) = (Instant::now() + START, Vec::new());
    loop {
        match told.recv_timeout(until.saturating_duration_since(Instant::now())) {
            Ok(line) if line.contains(ready) => return,
            Ok(line) => said.push(line),
            Err(RecvTimeoutError::Timeout) => panic!("not ready in time:\n{}", said.join("\n")),
            Err(RecvTimeoutError::Disconnected) => panic!("it ended:\n{}", said.join("\n")),
        }
    }
}

/// A certificate of `localhost`, and the authority behind it.
fn certificates(folder: &Path) {
    let key = KeyPair::generate().unwrap();
    let mut authority = CertificateParams::new([]).unwrap();
    authority.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    let issuer = CertifiedIssuer::self_signed(authority, key).unwrap();
    let key = KeyPair::generate().unwrap();
    let server = CertificateParams::new(["localhost".to_owned()]).unwrap();
    let server = server.signed_by(&key, &issuer).unwrap();
    for (name, text) in [
        ("authority.pem", issuer.pem()),
        ("server.pem", server.pem()),
        ("server.key", key.serialize_pem()),
    ] {
        let path = folder.join(name);
        fs::write(&path, text).unwrap();
        fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o600)).unwrap();
        give(&path);
    }
}

/// Who the servers run as where this is the superuser: they refuse to be that.
fn servant() -> Option<(String, u32)> {
    let number = |of: &[&str]| {
        let told = Command::new("id").args(of).output().unwrap();
        String::from_utf8(told.stdout).unwrap().trim().parse::<u32>().ok()
    };
    if number(&["-u"]) != Some(0) {
        return None;
    }
    let names = ["postgres", "nobody"];
    let found = names.iter().find_map(|name| Some(((*name).to_owned(), number(&["-u", name])?)));
    Some(found.unwrap_or_else(|| panic!("there is neither a user `postgres` nor `nobody`")))
}

fn unprivileged(program: &Path) -> Command {
    let Some((name, _)) = servant() else { return Command::new(program) };
    let mut command = Command::new("runuser");
    command.args(["-u", &name, "--"]).arg(program).current_dir("/");
    command
}

fn give(path: &Path) {
    if let Some((_, id)) = servant() {
        chown(path, Some(id), None).unwrap();
    }
}

/// A program of the server's, wherever Debian has put it.
fn program(name: &str) -> PathBuf {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let mut folders: Vec<PathBuf> = std::env::split_paths(&path).collect();
    folders.push(PathBuf::from("/usr/sbin"));
    if let Ok(versions) = fs::read_dir(FOLDERS) {
        let mut versions: Vec<PathBuf> = versions.map(|it| it.unwrap().path()).collect();
        let number = |path: &PathBuf| {
            path.file_name().and_then(OsStr::to_str).and_then(|it| it.parse::<u32>().ok())
        };
        versions.sort_by_key(number);
        folders.extend(versions.into_iter().rev().map(|version| version.join("bin")));
    }
    let found = folders.iter().map(|folder| folder.join(name)).find(|path| path.is_file());
    found.unwrap_or_else(|| panic!("there is no `{name}`: tests/postgres.sh installs it"))
}

fn free_port() -> u16 {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

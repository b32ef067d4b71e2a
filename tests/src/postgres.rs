//! Postgres: a server of a test's own, which can be killed and stopped.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use sqlx::postgres::PgConnectOptions;
use sqlx::{ConnectOptions, Connection};
use tempfile::TempDir;

const PATIENCE: Duration = Duration::from_secs(20);
/// What is committed and need not be on disk stays off it as long as nobody waits for what comes later; and starting
/// again does not sync each of a thousand files, which took six seconds.
const SETTINGS: &[&str] = &[
    "wal_writer_delay = '10s'",
    "bgwriter_lru_maxpages = 0",
    "autovacuum = off",
    #[cfg(target_os = "linux")]
    "recovery_init_sync_method = 'syncfs'",
];

/// PostgreSQL, with data of its own. It keeps its port when it is started again.
#[derive(Debug)]
pub struct Server(TempDir);

impl Server {
    /// Starts one.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start() -> Self {
        let server = Self(tempfile::tempdir().expect("a folder"));
        server.start_again().await;
        let mut admin = server.administrator().connect().await.expect("it answers");
        for setting in SETTINGS {
            let sql = format!("alter system set {setting}");
            sqlx::raw_sql(&sql).execute(&mut admin).await.expect("it takes settings");
        }
        sqlx::raw_sql("select pg_reload_conf()").execute(&mut admin).await.expect("it takes settings");
        admin.close().await.expect("the connection closes");
        server
    }

    /// Starts it again, with what it had on disk, and waits until it answers.
    ///
    /// # Panics
    /// If it does not start.
    pub async fn start_again(&self) {
        let mut start = self.script("start");
        let started = tokio::task::spawn_blocking(move || start.status()).await.expect("no panic");
        assert!(started.expect("the script runs").success(), "the server starts");
    }

    /// Who may do everything.
    ///
    /// # Panics
    /// If the script cannot tell.
    #[must_use]
    pub fn administrator(&self) -> PgConnectOptions {
        let output = self.script("admin-url").output().expect("the script runs");
        let url = String::from_utf8(output.stdout).expect("an address");
        url.trim().parse::<PgConnectOptions>().expect("an address of PostgreSQL").disable_statement_logging()
    }

    /// Every file of it: tables, WAL, logs.
    ///
    /// # Panics
    /// If it was never started.
    #[must_use]
    pub fn files(&self) -> Vec<PathBuf> {
        let home = self.0.path().join("postgres").canonicalize().expect("it has started");
        let (mut folders, mut files) = (vec![home], Vec::new());
        while let Some(folder) = folders.pop() {
            for entry in std::fs::read_dir(folder).expect("a folder can be read") {
                let path = entry.expect("a folder can be read").path();
                if path.is_dir() { folders.push(path) } else { files.push(path) }
            }
        }
        files
    }

    /// From now on nothing is on disk but what somebody waits for, and what comes before that.
    ///
    /// # Panics
    /// If it does not run.
    pub async fn hold_back_writes(&self) {
        let writer = self.wal_writer().await;
        loop {
            kill(writer, Signal::SIGSTOP).expect("it takes signals");
            // Stopped in the middle of writing it would hold up everybody.
            if tokio::time::timeout(Duration::from_secs(1), self.commit()).await.is_ok() {
                return;
            }
            kill(writer, Signal::SIGCONT).expect("it takes signals");
        }
    }

    /// Commits something, and waits for the disk.
    async fn commit(&self) {
        let mut admin = self.administrator().connect().await.expect("it answers");
        let sql = "select pg_logical_emit_message(true, 'test', '')";
        sqlx::raw_sql(sql).execute(&mut admin).await.expect("it is committed");
        admin.close().await.expect("the connection closes");
    }

    /// Kills it: all of its processes, none of which has time for anything.
    ///
    /// # Panics
    /// If it was never started.
    pub fn kill(&self) {
        self.kill_with("");
    }

    /// Kills its first process, and the others find out; but for the one that writes down what nobody waits for.
    ///
    /// # Panics
    /// If it was never started.
    pub fn kill_postmaster(&self) {
        self.kill_with("walwriter");
    }

    /// Kills the first of its processes, and those of this title.
    fn kill_with(&self, title: &str) {
        let postmaster = self.postmaster();
        let others = Command::new("pgrep").args(["-P", &postmaster.to_string(), "-f", title]).output();
        let others = String::from_utf8(others.expect("pgrep runs").stdout).expect("numbers");
        _ = kill(postmaster, Signal::SIGKILL);
        for other in others.split_whitespace() {
            // Some have ended with it.
            _ = kill(Pid::from_raw(other.parse().expect("a number")), Signal::SIGKILL);
        }
        wait_for_end_of(postmaster);
        // Its number may be another's by the time somebody looks.
        std::fs::remove_file(self.pid_file()).expect("it has left its number behind");
    }

    /// Kills one of its processes, upon which it ends the others, recovers and goes on by itself.
    ///
    /// # Panics
    /// If it does not.
    pub async fn kill_one_process(&self) {
        let killed = self.wal_writer().await;
        kill(killed, Signal::SIGKILL).expect("it runs");
        let deadline = Instant::now() + PATIENCE;
        while !self.find_wal_writer().await.is_ok_and(|writer| writer != killed) {
            assert!(Instant::now() < deadline, "the server should have recovered");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// `pg_ctl stop -m immediate`: ends its processes without a word.
    ///
    /// # Panics
    /// If it does not run.
    pub fn stop_at_once(&self) {
        let postmaster = self.postmaster();
        kill(postmaster, Signal::SIGQUIT).expect("it runs");
        wait_for_end_of(postmaster);
    }

    /// `pg_ctl stop -m fast`: writes everything down first.
    ///
    /// # Panics
    /// If it does not stop.
    pub fn stop(&self) {
        assert!(self.script("stop").status().expect("the script runs").success(), "the server stops");
    }

    async fn wal_writer(&self) -> Pid {
        self.find_wal_writer().await.expect("it answers")
    }

    /// The process that writes down what nobody waits for.
    async fn find_wal_writer(&self) -> sqlx::Result<Pid> {
        let mut admin = self.administrator().connect().await?;
        let sql = "select pid from pg_stat_activity where backend_type = 'walwriter'";
        let pid: i32 = sqlx::query_scalar(sql).fetch_one(&mut admin).await?;
        admin.close().await?;
        Ok(Pid::from_raw(pid))
    }

    fn postmaster(&self) -> Pid {
        let pid = std::fs::read_to_string(self.pid_file()).expect("it has started");
        Pid::from_raw(pid.lines().next().and_then(|line| line.parse().ok()).expect("a number"))
    }

    /// It is there while the server runs.
    fn pid_file(&self) -> PathBuf {
        self.0.path().join("postgres/data/postmaster.pid")
    }

    fn script(&self, command: &str) -> Command {
        let mut script = Command::new(concat!(env!("CARGO_MANIFEST_DIR"), "/../infra/postgres.sh"));
        script.arg(command).arg(self.0.path());
        script
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        // Nor would one that holds back its writes stop by itself.
        if self.pid_file().exists() {
            self.kill();
        }
        _ = self.script("wipe").status();
    }
}

/// Waits until a process is gone, whether or not anybody has asked how it ended.
fn wait_for_end_of(process: Pid) {
    let deadline = Instant::now() + PATIENCE;
    loop {
        let state = Command::new("ps").args(["-o", "state=", "-p", &process.to_string()]).output();
        let state = state.expect("ps runs").stdout;
        if state.is_empty() || state.starts_with(b"Z") {
            return;
        }
        assert!(Instant::now() < deadline, "the server should have ended");
        std::thread::sleep(Duration::from_millis(10));
    }
}

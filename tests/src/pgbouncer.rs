//! A real PgBouncer of the tests' own, in transaction mode.

use std::path::Path;
use std::process::{Child, Stdio};

use crate::postgres::{Postgres, free_port, unprivileged};

/// A running pooler. Killed when dropped.
#[derive(Debug)]
pub struct PgBouncer {
    child: Child,
    port: u16,
}

impl PgBouncer {
    /// Starts a pooler in front of a server, with so many connections to each database.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub fn start(server: &Postgres, connections: u32) -> Self {
        let (port, folder) = (free_port(), server.folder());
        let config = folder.join(format!("pgbouncer-{port}.ini"));
        let text = format!(
            "[databases]\n* = host=127.0.0.1 port={}\n[pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\n\
             unix_socket_dir =\nauth_type = any\npool_mode = transaction\ndefault_pool_size = {connections}\n\
             max_client_conn = 200\nserver_reset_query =\nlogfile = {}\n",
            server.port(),
            folder.join(format!("pgbouncer-{port}.log")).display(),
        );
        // `auth_type = any` logs everybody in as the user that is named here.
        let text = text.replace("host=127.0.0.1", "user=postgres host=127.0.0.1");
        std::fs::write(&config, text).expect("its settings can be written");
        let mut command = unprivileged(Path::new("pgbouncer"));
        command.arg("-q").arg(&config).stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
        let child = command.spawn().expect("pgbouncer can be run: install it");
        let pooler = Self { child, port };
        for _ in 0..500 {
            if std::net::TcpStream::connect(("127.0.0.1", port)).is_ok() {
                return pooler;
            }
            std::thread::sleep(std::time::Duration::from_millis(10));
        }
        panic!("pgbouncer does not listen")
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for PgBouncer {
    fn drop(&mut self) {
        // It has ended already where this fails.
        let _ = (self.child.kill(), self.child.wait());
    }
}

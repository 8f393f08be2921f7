//! A TCP proxy that loses what a test wants lost, between a client and a server on loopback.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What becomes of the next message that holds a certain text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The connection breaks, and the server never sees it.
    Request,
    /// The server carries it out, and the connection breaks before its answer.
    Answer,
    /// The connection breaks for the client; the server sees the message this much later.
    Late(Duration),
}

/// The proxy. Threads of it that still wait end with their connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    next: Arc<Mutex<Option<(&'static str, Cut)>>>,
}

impl Proxy {
    /// Starts a proxy in front of a port.
    ///
    /// # Panics
    ///
    /// When no port is free.
    pub fn start(server: u16) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("a listener has an address").port();
        let next: Arc<Mutex<Option<(&'static str, Cut)>>> = Arc::default();
        let cuts = next.clone();
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let Ok(upstream) = TcpStream::connect(("127.0.0.1", server)) else { continue };
                // Small messages go at once, as they would without a proxy.
                let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
                let cuts = cuts.clone();
                std::thread::spawn(move || carry(client, upstream, &cuts));
            }
        });
        Self { port, next }
    }

    /// The port that it listens on.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Says what becomes of the next message that holds a text.
    pub fn cut(&self, text: &'static str, cut: Cut) {
        *lock(&self.next) = Some((text, cut));
    }

    /// True once what was asked for has happened.
    pub fn has_cut(&self) -> bool {
        lock(&self.next).is_none()
    }
}

type Next = Mutex<Option<(&'static str, Cut)>>;

fn lock(next: &Next) -> MutexGuard<'_, Option<(&'static str, Cut)>> {
    next.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Carries a connection both ways, until it ends or is cut.
fn carry(mut client: TcpStream, mut upstream: TcpStream, next: &Next) {
    let (Ok(mut answers), Ok(mut back)) = (upstream.try_clone(), client.try_clone()) else { return };
    std::thread::spawn(move || {
        // Whichever side ends, the other one is told.
        let _ = std::io::copy(&mut answers, &mut back);
        let _ = back.shutdown(Shutdown::Both);
    });
    let mut buffer = vec![0; 1 << 20];
    while let Ok(size @ 1..) = client.read(&mut buffer) {
        let message = &buffer[..size];
        let cut = take(next, message);
        if let Some(cut) = cut {
            lose(cut, &client, &mut upstream, message);
            return;
        }
        if upstream.write_all(message).is_err() {
            break;
        }
    }
    let _ = (client.shutdown(Shutdown::Both), upstream.shutdown(Shutdown::Both));
}

fn take(next: &Next, message: &[u8]) -> Option<Cut> {
    let mut next = lock(next);
    let (text, cut) = (*next)?;
    let found = message.windows(text.len()).any(|window| window == text.as_bytes());
    if found {
        *next = None;
    }
    found.then_some(cut)
}

fn lose(cut: Cut, client: &TcpStream, upstream: &mut TcpStream, message: &[u8]) {
    // A connection that is gone already is as good as cut.
    let _ = client.shutdown(Shutdown::Both);
    match cut {
        Cut::Request => {}
        Cut::Answer => _ = upstream.write_all(message),
        Cut::Late(wait) => {
            std::thread::sleep(wait);
            let _ = upstream.write_all(message);
        }
    }
    if cut != Cut::Request {
        // The server ends the statement before it notices that nobody listens.
        std::thread::sleep(Duration::from_millis(500));
    }
    let _ = upstream.shutdown(Shutdown::Both);
}

//! A TCP proxy that loses or holds up what a test wants lost or late, between a client and a server on loopback.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

/// What becomes of the next message that holds a certain text.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cut {
    /// The connection breaks, and the server never sees it.
    Request,
    /// The server carries it out, its answer is lost, and then the connection breaks.
    Answer,
    /// The connection breaks for the client; the server sees the message this much later.
    Late(Duration),
}

/// The proxy. Threads of it that still wait end with their connections.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    next: Arc<Mutex<Option<(&'static str, Cut)>>>,
    gate: Arc<Gate>,
}

/// What everything goes through, both ways.
#[derive(Debug, Default)]
struct Gate {
    is_shut: Mutex<bool>,
    changed: Condvar,
}

impl Gate {
    fn set(&self, is_shut: bool) {
        *self.is_shut.lock().unwrap_or_else(PoisonError::into_inner) = is_shut;
        self.changed.notify_all();
    }

    /// Waits until it is open.
    fn pass(&self) {
        let is_shut = self.is_shut.lock().unwrap_or_else(PoisonError::into_inner);
        let open = self.changed.wait_while(is_shut, |is_shut| *is_shut);
        drop(open.unwrap_or_else(PoisonError::into_inner));
    }
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
        let gate = Arc::new(Gate::default());
        let (cuts, passage) = (next.clone(), gate.clone());
        std::thread::spawn(move || {
            for client in listener.incoming().flatten() {
                let (cuts, gate) = (cuts.clone(), passage.clone());
                std::thread::spawn(move || {
                    gate.pass();
                    let Ok(upstream) = TcpStream::connect(("127.0.0.1", server)) else { return };
                    // Small messages go at once, as they would without a proxy.
                    let _ = (client.set_nodelay(true), upstream.set_nodelay(true));
                    carry(client, upstream, &cuts, &gate);
                });
            }
        });
        Self { port, next, gate }
    }

    /// Cuts the client off: nothing arrives any more, either way, and nobody is told.
    pub fn cut_off(&self) {
        self.gate.set(true);
    }

    /// Connects the client again: what was held up arrives late.
    pub fn connect_again(&self) {
        self.gate.set(false);
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
fn carry(mut client: TcpStream, mut upstream: TcpStream, next: &Next, gate: &Arc<Gate>) {
    let (Ok(answers), Ok(back)) = (upstream.try_clone(), client.try_clone()) else { return };
    let (passage, is_mute) = (gate.clone(), Arc::new(AtomicBool::new(false)));
    let muted = is_mute.clone();
    std::thread::spawn(move || carry_back(answers, back, &passage, &muted));
    let mut buffer = vec![0; 1 << 20];
    while let Ok(size @ 1..) = client.read(&mut buffer) {
        gate.pass();
        let message = &buffer[..size];
        let cut = take(next, message);
        if let Some(cut) = cut {
            is_mute.store(true, Ordering::Release);
            lose(cut, &client, &mut upstream, message);
            return;
        }
        if upstream.write_all(message).is_err() {
            break;
        }
    }
    gate.pass();
    let _ = (client.shutdown(Shutdown::Both), upstream.shutdown(Shutdown::Both));
}

/// Carries the answers, until the server ends the connection or they are to be lost.
fn carry_back(mut answers: TcpStream, mut back: TcpStream, gate: &Gate, is_mute: &AtomicBool) {
    let mut buffer = vec![0; 1 << 18];
    while let Ok(size @ 1..) = answers.read(&mut buffer) {
        gate.pass();
        if is_mute.load(Ordering::Acquire) {
            return;
        }
        if back.write_all(&buffer[..size]).is_err() {
            break;
        }
    }
    gate.pass();
    let _ = back.shutdown(Shutdown::Both);
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
    match cut {
        Cut::Request => {}
        Cut::Answer => {
            let _ = upstream.write_all(message);
            // The server ends the statement before anybody can ask for its fate.
            std::thread::sleep(Duration::from_millis(500));
        }
        Cut::Late(wait) => {
            let _ = client.shutdown(Shutdown::Both);
            std::thread::sleep(wait);
            let _ = upstream.write_all(message);
            // The server ends the statement before it notices that nobody listens.
            std::thread::sleep(Duration::from_millis(500));
        }
    }
    let _ = (client.shutdown(Shutdown::Both), upstream.shutdown(Shutdown::Both));
}

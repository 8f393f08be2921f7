//! A service outside, which the server under test calls over HTTP.

use std::io::{Read as _, Write as _};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex, PoisonError};

use reqwest::StatusCode;
use serde_json::Value;

/// What a service was asked.
#[derive(Debug, Clone)]
pub struct Asked {
    /// The method and the path.
    pub what: String,
    /// The request as it came, without its body.
    pub head: String,
}

/// A service that notes what it is asked, and answers as it is told. It ends with the test's process.
#[derive(Debug)]
pub struct Service {
    /// Where it is.
    pub url: String,
    asked: Arc<Mutex<Vec<Asked>>>,
}

impl Service {
    /// Starts a service; what it answers is made of the number of the request, from 0, and of the request.
    ///
    /// # Panics
    ///
    /// When no port is free.
    pub fn start(answer: impl Fn(usize, &Asked) -> (StatusCode, Value) + Send + 'static) -> Self {
        Self::at(0, answer)
    }

    /// The same at a port of the machine itself.
    ///
    /// # Panics
    ///
    /// When it is not free.
    pub fn at(port: u16, answer: impl Fn(usize, &Asked) -> (StatusCode, Value) + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", port)).expect("the port is free");
        let url = format!("http://{}", listener.local_addr().expect("it is bound"));
        let asked = Arc::<Mutex<Vec<Asked>>>::default();
        let noted = asked.clone();
        std::thread::spawn(move || {
            for mut socket in listener.incoming().flatten() {
                let asked = read(&mut socket);
                let number = {
                    let mut noted = noted.lock().unwrap_or_else(PoisonError::into_inner);
                    noted.push(asked.clone());
                    noted.len() - 1
                };
                let (status, body) = answer(number, &asked);
                // Whoever has gone away gets no answer.
                let _ = write(&mut socket, status, &body);
            }
        });
        Self { url, asked }
    }

    /// What it was asked so far, in that order.
    pub fn asked(&self) -> Vec<Asked> {
        self.asked.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

fn read(socket: &mut TcpStream) -> Asked {
    let mut buffer = vec![0; 16 * 1024];
    let read = socket.read(&mut buffer).unwrap_or(0);
    let text = String::from_utf8_lossy(&buffer[..read]);
    let head = text.split("\r\n\r\n").next().unwrap_or_default().to_owned();
    let line = head.lines().next().unwrap_or_default();
    let what = line.rsplit_once(' ').map_or(line, |(what, _)| what).to_owned();
    Asked { what, head }
}

fn write(socket: &mut TcpStream, status: StatusCode, body: &Value) -> std::io::Result<()> {
    let body = body.to_string();
    let head = format!("HTTP/1.1 {status}\r\ncontent-type: application/json\r\nconnection: close\r\n");
    socket.write_all(format!("{head}content-length: {}\r\n\r\n{body}", body.len()).as_bytes())
}

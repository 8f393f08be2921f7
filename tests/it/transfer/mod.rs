//! Stores on their way: out of one back end, as a file, into the other one, and back.

use std::collections::BTreeMap;

use promptsales_engine::journal::transfer::{Beside, Line, verify};

mod moved;
mod stores;

/// What a file tells, but for the positions and the order between streams.
#[derive(Debug, Default, PartialEq, Eq)]
struct Told {
    /// By stream: how many events are not kept, and the others.
    streams: BTreeMap<String, (usize, Vec<String>)>,
    beside: Vec<String>,
    log: String,
    secret: Option<String>,
}

/// Reads a file that must be sound.
fn told(file: &[u8]) -> Told {
    let (header, trailer) = verify(file, |_| {}).expect("the file is sound");
    let mut told = Told { log: header.log.to_string(), secret: header.secret, ..Told::default() };
    assert_eq!(trailer.position, trailer.events + trailer.gone);
    for line in file.split(|byte| *byte == b'\n').filter(|line| !line.is_empty()) {
        match serde_json::from_slice(line).expect("a line is JSON") {
            Line::Event(event) => {
                let (_, events) = told.streams.entry(event.stream.to_string()).or_default();
                events.push(format!("{} {} {}", event.seq, event.at, text(&event.body)));
            }
            Line::Gone(gone) => told.streams.entry(gone.stream.to_string()).or_default().0 += 1,
            Line::Beside(mut beside) => {
                if let Beside::Base { first, .. } = &mut beside {
                    *first = 0;
                }
                told.beside.push(text(&beside));
            }
            Line::Header(_) | Line::Trailer(_) => {}
        }
    }
    told.beside.sort_unstable();
    told
}

fn text<T: serde::Serialize>(value: &T) -> String {
    serde_json::to_string(value).expect("it can be written")
}

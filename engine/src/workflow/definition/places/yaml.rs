//! The places of YAML, from the events of a parser.

use std::collections::HashMap;

use saphyr_parser::{Event, Marker, Parser};

use super::{Builder, Content, Places, Position};

/// Finds the places in the first document of a text.
pub(super) fn places(source: &str) -> Places {
    let mut builder = Builder::default();
    let mut anchors: HashMap<usize, usize> = HashMap::new();
    for next in Parser::new_from_str(source) {
        // What the other parser took and this one does not has no places from here on.
        let Ok((event, span)) = next else { break };
        let at = position(&span.start);
        let (anchor, spot) = match event {
            Event::Scalar(text, _, anchor, _) => (anchor, builder.plain(at, text.into_owned())),
            Event::SequenceStart(anchor, _) => (anchor, builder.begin(at, Content::List(Vec::new()))),
            Event::MappingStart(anchor, _) => (anchor, builder.begin(at, Content::Mapping(Vec::new()))),
            Event::SequenceEnd | Event::MappingEnd => {
                builder.end();
                continue;
            }
            Event::Alias(anchor) => {
                if let Some(spot) = anchors.get(&anchor) {
                    builder.attach(at, *spot);
                }
                continue;
            }
            Event::DocumentEnd => break,
            Event::Nothing | Event::StreamStart | Event::StreamEnd | Event::DocumentStart(_) => continue,
        };
        // The parser counts anchors from 1; 0 is none.
        if anchor > 0 {
            anchors.insert(anchor, spot);
        }
    }
    builder.finish()
}

fn position(marker: &Marker) -> Position {
    Position::new(marker.line(), marker.col() + 1)
}

//! Writes a tree of placed boxes down as SVG.

use std::fmt::Write;

use super::graph::{Card, Icon, Mark, Role, Undo};
use super::layout::{HEAD, ROW};
use super::look::length;
use super::palette::STYLE;
use super::progress::{Progress, Shown};
use super::scene::{Placed, Stroke, What, Wire};
use super::text::{Face, HEADING, LINE, NAME, SMALL, STRONG, clip, escape, one_line};
use crate::workflow::definition::Definition;

/// Around the drawing.
const MARGIN: i32 = 32;
/// From the upper edge to the first item.
const TOP: i32 = 84;
/// The least width: room for the heading and the legend.
const LEAST: i32 = 420;

/// Writes a drawing down.
pub(super) fn render(definition: &Definition, progress: Option<&Progress>, scene: &Placed) -> String {
    let waits = progress.map_or_else(Vec::new, Progress::run_waits);
    let top = TOP + ROW * i32::try_from(waits.len()).unwrap_or(0);
    let inner = scene.width.max(LEAST);
    let legend = if progress.is_some() { legend_rows(inner) } else { 0 };
    let (wide, high) = (inner + 2 * MARGIN, top + scene.height + MARGIN + legend * 24);
    let mut pen = Pen { out: String::with_capacity(16_384) };
    pen.open(definition, progress, wide, high);
    pen.heading(definition, progress, &waits, inner);
    pen.placed(scene, MARGIN + (inner - scene.width) / 2, top);
    if progress.is_some() {
        pen.legend(top + scene.height + MARGIN, inner);
    }
    pen.out.push_str("</svg>\n");
    pen.out
}

/// The number of legend entries on a row, and of rows.
fn legend_columns(inner: i32) -> i32 {
    (inner / 110).clamp(1, 8)
}

fn legend_rows(inner: i32) -> i32 {
    let columns = legend_columns(inner);
    (8 + columns - 1) / columns
}

struct Pen {
    out: String,
}

impl Pen {
    fn open(&mut self, definition: &Definition, progress: Option<&Progress>, wide: i32, high: i32) {
        let _ = write!(
            self.out,
            "<svg xmlns=\"http://www.w3.org/2000/svg\" class=\"psd\" role=\"img\" width=\"{wide}\" height=\"{high}\" \
             viewBox=\"0 0 {wide} {high}\" aria-labelledby=\"ps-title ps-desc\"><title id=\"ps-title\">"
        );
        escape(&mut self.out, &format!("Workflow {} {}", definition.name, definition.version));
        self.out.push_str("</title><desc id=\"ps-desc\">");
        escape(&mut self.out, &description(definition, progress));
        let _ = write!(self.out, "</desc><style>{STYLE}</style><defs>");
        for icon in Icon::ALL {
            let (id, lines) = (icon.id(), icon.lines());
            let _ =
                write!(self.out, "<symbol id=\"{id}\" viewBox=\"0 0 16 16\"><path d=\"{lines}\"/></symbol>");
        }
        for (id, class) in [("ps-af", "af"), ("ps-ae", "ae"), ("ps-au", "au")] {
            let _ = write!(
                self.out,
                "<marker id=\"{id}\" markerWidth=\"9\" markerHeight=\"8\" refX=\"8\" refY=\"4\" orient=\"auto\" \
                 markerUnits=\"userSpaceOnUse\"><path class=\"{class}\" d=\"M0 0 9 4 0 8Z\"/></marker>"
            );
        }
        let _ = write!(self.out, "</defs><rect class=\"bg\" width=\"{wide}\" height=\"{high}\"/>");
    }

    fn heading(
        &mut self,
        definition: &Definition,
        progress: Option<&Progress>,
        waits: &[String],
        inner: i32,
    ) {
        let title = definition.title.as_deref().unwrap_or(&definition.name);
        self.text("h", (MARGIN, 40), &one_line(title, 200), HEADING, inner);
        let mut line = format!("{} {}", definition.name, definition.version);
        if let Some(timeout) = &definition.timeout {
            line.push_str(&format!(" · at most {}", one_line(&length(timeout), 80)));
        }
        if let Some(progress) = progress {
            line.push_str(&format!(" · run {}", progress.status()));
        }
        self.text("", (MARGIN, 60), &line, LINE, inner);
        for (row, wait) in (0..).zip(waits) {
            self.text("st", (MARGIN, 60 + ROW * (row + 1)), &one_line(wait, 200), STRONG, inner);
        }
    }

    /// Draws a box and all that is in it; `x` and `y` are those of its corner.
    fn placed(&mut self, placed: &Placed, x: i32, y: i32) {
        let _ = write!(self.out, "<g transform=\"translate({x} {y})\"");
        match &placed.what {
            What::Group => self.out.push('>'),
            What::Task(card) => self.task(card, placed.width, placed.height),
            What::Frame(card, head) => self.frame(card, placed.width, placed.height, *head),
            What::Tried => {
                self.out.push('>');
                self.rect("tried", placed.width, placed.height, 8);
            }
            What::Mark(mark) => self.mark(mark, placed.width, placed.height),
            What::Chip(undo) => self.chip(undo, placed.width, placed.height),
            What::Pill(label) => {
                self.titled("", &[label.hint.as_str()]);
                self.rect("pill", placed.width, placed.height, placed.height / 2);
                let text = clip(&label.text, SMALL, placed.width - 16);
                self.middle("s", placed.width / 2, placed.height / 2 + 4, &text);
            }
        }
        for wire in &placed.wires {
            self.wire(wire);
        }
        for child in &placed.children {
            self.placed(child, child.at.0, child.at.1);
        }
        self.out.push_str("</g>");
    }

    /// Ends the tag of a group, and says what there is to know for those who point at it.
    fn titled(&mut self, class: &str, lines: &[&str]) {
        if !class.is_empty() {
            let _ = write!(self.out, " class=\"{class}\"");
        }
        self.out.push_str("><title>");
        escape(&mut self.out, &one_line(&lines.join(" · "), 900));
        self.out.push_str("</title>");
    }

    fn card_title(&mut self, card: &Card) {
        let mut lines: Vec<&str> = card.hint.iter().map(String::as_str).collect();
        let state = card.state.as_ref();
        if let Some(state) = state {
            lines.push(state.shown.name());
            lines.extend(state.lines.iter().map(String::as_str));
            lines.extend(state.waits.iter().map(String::as_str));
        }
        self.titled(state.map_or("", |state| state.shown.class()), &lines);
    }

    fn task(&mut self, card: &Card, wide: i32, high: i32) {
        self.card_title(card);
        self.rect("box edge", wide, high, 8);
        let family = card.icon.family();
        let _ = write!(
            self.out,
            "<path class=\"b{family}\" d=\"M0 8a8 8 0 0 1 4-7V{}a8 8 0 0 1-4-7Z\"/>",
            high - 1
        );
        self.card(card, wide);
    }

    fn frame(&mut self, card: &Card, wide: i32, high: i32, head: i32) {
        self.card_title(card);
        let saga = if card.saga { " saga" } else { "" };
        self.rect(&format!("frame edge{saga}"), wide, high, 10);
        let (right, low) = (wide - 1, head - 10);
        let _ = write!(
            self.out,
            "<path class=\"head\" d=\"M1 {head}v-{low}a9 9 0 0 1 9-9H{}a9 9 0 0 1 9 9v{low}Z\"/>",
            right - 9
        );
        self.card(card, wide);
    }

    /// The text of a task, and the dot that says how it stands.
    fn card(&mut self, card: &Card, wide: i32) {
        self.icon(card.icon, 14, 10, 16);
        let dot = card.state.as_ref().map(|state| state.shown);
        let room = wide - 38 - if dot.is_some() { 36 } else { 12 };
        self.text("n", (38, 23), &card.name, NAME, room);
        if let Some(shown) = dot {
            self.dot(shown, wide - 18, 18);
        }
        let mut y = HEAD + 7;
        for row in card.rows() {
            let (class, face) = match row.role {
                Role::About => ("", LINE),
                Role::State | Role::Wait => ("st", STRONG),
            };
            let mut x = 38;
            if let Some(icon) = row.icon {
                self.icon(icon, x, y - 10, 12);
                x += 17;
            }
            self.text(class, (x, y), row.text, face, wide - x - 12);
            y += ROW;
        }
    }

    fn mark(&mut self, mark: &Mark, wide: i32, high: i32) {
        let text = mark.written();
        self.titled(mark.shown.map_or("", Shown::class), &[&text]);
        self.rect("mark", wide, high, high / 2);
        let text = clip(&text, SMALL, wide - 40);
        self.middle("s", wide / 2 + if mark.shown.is_some() { 8 } else { 0 }, high / 2 + 4, &text);
        if let Some(shown) = mark.shown {
            self.dot(shown, 15, high / 2);
        }
    }

    fn chip(&mut self, undo: &Undo, wide: i32, high: i32) {
        self.titled("", &[&undo.hint]);
        self.rect("chip", wide, high, 8);
        self.icon(Icon::Undo, 8, 5, 12);
        self.text("q", (24, 15), "undone by", SMALL, wide - 32);
        self.text("s", (10, 29), &undo.by, SMALL, wide - 18);
    }

    fn wire(&mut self, wire: &Wire) {
        let (class, marker) = match wire.stroke {
            Stroke::Flow => ("w", "ps-af"),
            Stroke::Error => ("w we", "ps-ae"),
            Stroke::Undo => ("w wu", "ps-au"),
            Stroke::Bar => ("w wb", ""),
        };
        let _ = write!(self.out, "<path class=\"{class}\" d=\"M");
        for (index, (x, y)) in wire.points.iter().enumerate() {
            let _ = write!(self.out, "{}{x} {y}", if index > 0 { " " } else { "" });
        }
        if wire.arrow {
            let _ = write!(self.out, "\" marker-end=\"url(#{marker})");
        }
        self.out.push_str("\"/>");
    }

    fn legend(&mut self, y: i32, inner: i32) {
        let columns = legend_columns(inner);
        let step = (inner / columns).min(130);
        for (index, shown) in (0..).zip(Shown::ALL) {
            let (x, y) = (MARGIN + (index % columns) * step, y + (index / columns) * 24);
            let _ = write!(self.out, "<g transform=\"translate({x} {y})\" class=\"{}\">", shown.class());
            self.dot(shown, 8, 0);
            self.text("", (22, 4), shown.name(), LINE, step - 24);
            self.out.push_str("</g>");
        }
    }

    fn rect(&mut self, class: &str, wide: i32, high: i32, round: i32) {
        let _ =
            write!(self.out, "<rect class=\"{class}\" width=\"{wide}\" height=\"{high}\" rx=\"{round}\"/>");
    }

    fn icon(&mut self, icon: Icon, x: i32, y: i32, size: i32) {
        let (id, family) = (icon.id(), icon.family());
        let _ = write!(
            self.out,
            "<use href=\"#{id}\" class=\"i i{family}\" x=\"{x}\" y=\"{y}\" width=\"{size}\" height=\"{size}\"/>"
        );
    }

    fn dot(&mut self, shown: Shown, x: i32, y: i32) {
        let lines = shown.lines();
        let _ = write!(
            self.out,
            "<circle class=\"dot\" cx=\"{x}\" cy=\"{y}\" r=\"8\"/>\
             <path class=\"sign\" transform=\"translate({x} {y})\" d=\"{lines}\"/>"
        );
    }

    /// A text from the left, clipped to a width.
    fn text(&mut self, class: &str, (x, y): (i32, i32), text: &str, face: Face, most: i32) {
        if class.is_empty() {
            let _ = write!(self.out, "<text x=\"{x}\" y=\"{y}\">");
        } else {
            let _ = write!(self.out, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\">");
        }
        escape(&mut self.out, &clip(text, face, most));
        self.out.push_str("</text>");
    }

    fn middle(&mut self, class: &str, x: i32, y: i32, text: &str) {
        let _ = write!(self.out, "<text class=\"{class}\" x=\"{x}\" y=\"{y}\" text-anchor=\"middle\">");
        escape(&mut self.out, text);
        self.out.push_str("</text>");
    }
}

/// The drawing in words.
fn description(definition: &Definition, progress: Option<&Progress>) -> String {
    let names = definition.list("/do").iter().map(|id| definition.nodes[*id].name.as_str());
    let names = one_line(&names.take(100).collect::<Vec<_>>().join(", "), 1_000);
    let saga = if definition.saga { ", a saga" } else { "" };
    let status = progress.map_or_else(String::new, |progress| format!(" The run is {}.", progress.status()));
    format!("A workflow of {} tasks{saga}: {names}.{status}", definition.nodes.len())
}

//! The machine: all ways through the pattern at once, one character at a time.

use super::super::meter;
use super::Span;
use super::program::{Instruction, Program};

const UNSET: usize = usize::MAX;

/// The ways that are still open, in order of preference.
struct Threads {
    /// Instruction and slots.
    open: Vec<(usize, Vec<usize>)>,
    /// Position for which an instruction was last visited, plus one.
    visited: Vec<usize>,
}

impl Threads {
    fn new(size: usize) -> Self {
        Self { open: Vec::new(), visited: vec![0; size] }
    }
}

enum Task {
    Explore(usize),
    Restore(usize, usize),
}

/// Finds the first match at or after `from`: the span of each group, that of the match itself first.
pub(super) fn search(program: &Program, text: &[char], from: usize) -> Option<Vec<Option<Span>>> {
    meter::charge(2 + program.code.len() as u64 / 8);
    let mut now = Threads::new(program.code.len());
    let mut next = Threads::new(program.code.len());
    let mut best: Option<Vec<usize>> = None;
    for at in from..=text.len() {
        if best.is_none() {
            follow(program, text, at, 0, vec![UNSET; program.slots()], &mut now);
        }
        if now.open.is_empty() && (best.is_some() || anchored(program)) {
            break;
        }
        for (index, slots) in now.open.drain(..) {
            meter::charge(1);
            match (&program.code[index], text.get(at)) {
                (Instruction::Match, _) => {
                    best = Some(slots);
                    break;
                }
                (instruction, Some(c)) if program.accepts(instruction, *c) => {
                    follow(program, text, at + 1, index + 1, slots, &mut next);
                }
                _ => (),
            }
        }
        std::mem::swap(&mut now, &mut next);
    }
    let slots = best?;
    let span = |pair: &[usize]| (pair[0] != UNSET && pair[1] != UNSET).then(|| (pair[0], pair[1]));
    Some(slots.chunks_exact(2).map(span).collect())
}

/// True if the pattern can only match at the start of the text.
fn anchored(program: &Program) -> bool {
    use super::parse::Assert;
    matches!(program.code.get(1), Some(Instruction::Assert(Assert::TextStart)))
}

/// Follows all instructions that read no character from `start` on.
fn follow(
    program: &Program,
    text: &[char],
    at: usize,
    start: usize,
    mut slots: Vec<usize>,
    into: &mut Threads,
) {
    let mut tasks = vec![Task::Explore(start)];
    while let Some(task) = tasks.pop() {
        meter::charge(1);
        let index = match task {
            Task::Restore(slot, old) => {
                slots[slot] = old;
                continue;
            }
            Task::Explore(index) => index,
        };
        if into.visited[index] == at + 1 {
            continue;
        }
        into.visited[index] = at + 1;
        match &program.code[index] {
            Instruction::Jump(target) => tasks.push(Task::Explore(*target)),
            Instruction::Split(first, second) => {
                tasks.push(Task::Explore(*second));
                tasks.push(Task::Explore(*first));
            }
            Instruction::Save(slot) => {
                tasks.push(Task::Restore(*slot, slots[*slot]));
                slots[*slot] = at;
                tasks.push(Task::Explore(index + 1));
            }
            Instruction::Assert(assert) if assert.holds(text, at) => tasks.push(Task::Explore(index + 1)),
            Instruction::Assert(_) => (),
            Instruction::Char(_) | Instruction::Any | Instruction::Class(_) | Instruction::Match => {
                meter::charge(slots.len() as u64 / 4);
                into.open.push((index, slots.clone()));
            }
        }
    }
}

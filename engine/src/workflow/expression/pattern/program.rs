//! From a parsed pattern to instructions.

use std::rc::Rc;

use super::super::meter;
use super::Flags;
use super::class::{Class, is_word};
use super::parse::{Assert, Node, Parsed};

/// Instructions that a pattern may come to; counted repetitions are written out.
const MAX_INSTRUCTIONS: usize = 4_096;

/// One instruction of the machine.
#[derive(Debug)]
pub(super) enum Instruction {
    Char(char),
    Any,
    Class(Rc<Class>),
    Assert(Assert),
    /// Goes on at both, the first preferred.
    Split(usize, usize),
    Jump(usize),
    /// Stores the position in a slot: two of them for each group.
    Save(usize),
    Match,
}

/// A program with the names of its groups.
#[derive(Debug)]
pub(super) struct Program {
    pub(super) code: Vec<Instruction>,
    pub(super) names: Vec<Option<Rc<String>>>,
    flags: Flags,
}

impl Program {
    /// Translates a pattern.
    ///
    /// # Errors
    ///
    /// The pattern comes to too many instructions.
    pub(super) fn build(parsed: &Parsed, flags: Flags) -> Result<Self, String> {
        let mut program = Self { code: Vec::new(), names: parsed.names.clone(), flags };
        program.code.push(Instruction::Save(0));
        program.emit(&parsed.node)?;
        program.code.push(Instruction::Save(1));
        program.code.push(Instruction::Match);
        Ok(program)
    }

    /// Slots for the ends of all groups.
    pub(super) fn slots(&self) -> usize {
        2 * (self.names.len() + 1)
    }

    fn emit(&mut self, node: &Node) -> Result<(), String> {
        // Also for what comes to no instruction, which may be repeated many times.
        meter::step();
        if self.code.len() > MAX_INSTRUCTIONS {
            return Err(format!("its repetitions come to more than {MAX_INSTRUCTIONS} steps"));
        }
        match node {
            Node::Empty => (),
            Node::Char(c) => self.code.push(Instruction::Char(*c)),
            Node::Any => self.code.push(Instruction::Any),
            Node::Class(class) => self.code.push(Instruction::Class(Rc::new(class.clone()))),
            Node::Assert(assert) => self.code.push(Instruction::Assert(*assert)),
            Node::Group(None, inside) => self.emit(inside)?,
            Node::Group(Some(number), inside) => {
                self.code.push(Instruction::Save(2 * number));
                self.emit(inside)?;
                self.code.push(Instruction::Save(2 * number + 1));
            }
            Node::Concat(nodes) => nodes.iter().try_for_each(|node| self.emit(node))?,
            Node::Alternate(branches) => self.emit_branches(branches)?,
            Node::Repeat { node, min, max, greedy } => self.emit_repeat(node, *min, *max, *greedy)?,
        }
        Ok(())
    }

    fn emit_branches(&mut self, branches: &[Node]) -> Result<(), String> {
        let mut jumps = Vec::new();
        for (index, branch) in branches.iter().enumerate() {
            let split = self.code.len();
            let last = index + 1 == branches.len();
            if !last {
                self.code.push(Instruction::Split(split + 1, 0));
            }
            self.emit(branch)?;
            if !last {
                jumps.push(self.code.len());
                self.code.push(Instruction::Jump(0));
                self.code[split] = Instruction::Split(split + 1, self.code.len());
            }
        }
        let end = self.code.len();
        for jump in jumps {
            self.code[jump] = Instruction::Jump(end);
        }
        Ok(())
    }

    fn emit_repeat(
        &mut self,
        node: &Node,
        min: usize,
        max: Option<usize>,
        greedy: bool,
    ) -> Result<(), String> {
        let fork = |on: usize, out: usize| match greedy {
            true => Instruction::Split(on, out),
            false => Instruction::Split(out, on),
        };
        let Some(max) = max else {
            // x* is (x+)?, so that an x that matches nothing gets its turn.
            let skip = (min == 0).then_some(self.code.len());
            self.code.extend(skip.map(Instruction::Jump));
            for _ in 1..min {
                self.emit(node)?;
            }
            let start = self.code.len();
            self.emit(node)?;
            let end = self.code.len() + 1;
            self.code.push(fork(start, end));
            if let Some(skip) = skip {
                self.code[skip] = fork(start, end);
            }
            return Ok(());
        };
        for _ in 0..min {
            self.emit(node)?;
        }
        let mut splits = Vec::new();
        for _ in min..max {
            splits.push(self.code.len());
            self.code.push(Instruction::Jump(0));
            self.emit(node)?;
        }
        let end = self.code.len();
        for split in splits {
            self.code[split] = fork(split + 1, end);
        }
        Ok(())
    }

    /// True if an instruction that reads a character accepts this one.
    pub(super) fn accepts(&self, instruction: &Instruction, c: char) -> bool {
        match instruction {
            Instruction::Char(wanted) if self.flags.ignore_case => *wanted == c || fold(*wanted) == fold(c),
            Instruction::Char(wanted) => *wanted == c,
            Instruction::Any => self.flags.dot_all || c != '\n',
            Instruction::Class(class) => {
                meter::charge(class.items.len() as u64 / 4);
                let mut found = class.has(c);
                if self.flags.ignore_case {
                    found |= c.to_lowercase().chain(c.to_uppercase()).any(|variant| class.has(variant));
                }
                found != class.negated
            }
            Instruction::Assert(_)
            | Instruction::Split(..)
            | Instruction::Jump(_)
            | Instruction::Save(_)
            | Instruction::Match => false,
        }
    }
}

fn fold(c: char) -> char {
    c.to_lowercase().next().unwrap_or(c)
}

impl Assert {
    /// True if the condition holds at a position.
    pub(super) fn holds(self, text: &[char], at: usize) -> bool {
        let before = at.checked_sub(1).and_then(|index| text.get(index)).copied();
        let after = text.get(at).copied();
        let boundary = before.is_some_and(is_word) != after.is_some_and(is_word);
        match self {
            Self::TextStart => before.is_none(),
            Self::TextEnd => after.is_none(),
            Self::LineStart => before.is_none_or(|c| c == '\n'),
            Self::LineEnd => after.is_none_or(|c| c == '\n'),
            Self::WordBoundary => boundary,
            Self::NotWordBoundary => !boundary,
        }
    }
}

//! The parser of patterns; its recursion is bounded by the nesting of groups.

use std::rc::Rc;

use super::Flags;
use super::class::{Class, ClassItem, is_digit, is_word, kind_named};

/// Nesting of groups that a pattern may have.
const MAX_NESTING: usize = 24;

/// The most times that `{n,m}` may repeat.
const MAX_REPEAT: usize = 1_000;

/// A pattern as it was written.
#[derive(Debug)]
pub(super) enum Node {
    Empty,
    Char(char),
    Any,
    Class(Class),
    Assert(Assert),
    /// A group; it captures if it has a number.
    Group(Option<usize>, Box<Node>),
    Concat(Vec<Node>),
    Alternate(Vec<Node>),
    Repeat {
        node: Box<Node>,
        min: usize,
        max: Option<usize>,
        greedy: bool,
    },
}

/// A condition on a position.
#[derive(Debug, Clone, Copy)]
pub(super) enum Assert {
    TextStart,
    TextEnd,
    LineStart,
    LineEnd,
    WordBoundary,
    NotWordBoundary,
}

/// A parsed pattern and the names of its groups.
pub(super) struct Parsed {
    pub(super) node: Node,
    pub(super) names: Vec<Option<Rc<String>>>,
}

/// Parses a pattern.
pub(super) fn parse(source: &[char], flags: Flags) -> Result<Parsed, String> {
    let mut parser = Parser { source, at: 0, nesting: 0, flags, names: Vec::new() };
    let node = parser.alternation()?;
    match parser.peek() {
        None => Ok(Parsed { node, names: parser.names }),
        Some(_) => Err(format!("there is a ')' too many at {}", parser.at)),
    }
}

struct Parser<'a> {
    source: &'a [char],
    at: usize,
    nesting: usize,
    flags: Flags,
    names: Vec<Option<Rc<String>>>,
}

impl Parser<'_> {
    fn peek(&self) -> Option<char> {
        self.source.get(self.at).copied()
    }

    fn next(&mut self) -> Option<char> {
        let next = self.peek();
        self.at += usize::from(next.is_some());
        next
    }

    fn eat(&mut self, text: &str) -> bool {
        let rest = &self.source[self.at..];
        let found = text.chars().count() <= rest.len() && text.chars().zip(rest).all(|(a, b)| a == *b);
        if found {
            self.at += text.chars().count();
        }
        found
    }

    fn alternation(&mut self) -> Result<Node, String> {
        let mut branches = vec![self.concatenation()?];
        while self.eat("|") {
            branches.push(self.concatenation()?);
        }
        Ok(match branches.len() {
            1 => branches.remove(0),
            _ => Node::Alternate(branches),
        })
    }

    fn concatenation(&mut self) -> Result<Node, String> {
        let mut nodes = Vec::new();
        while let Some(next) = self.peek().filter(|next| !matches!(next, '|' | ')')) {
            if self.flags.extended && next.is_whitespace() {
                self.at += 1;
                continue;
            }
            if self.flags.extended && next == '#' {
                while self.next().is_some_and(|next| next != '\n') {}
                continue;
            }
            let atom = self.atom()?;
            nodes.push(self.repetition(atom)?);
        }
        Ok(if nodes.is_empty() { Node::Empty } else { Node::Concat(nodes) })
    }

    fn repetition(&mut self, atom: Node) -> Result<Node, String> {
        let (min, max) = match self.peek() {
            Some('*') => (0, None),
            Some('+') => (1, None),
            Some('?') => (0, Some(1)),
            Some('{') => match self.counts()? {
                Some(counts) => counts,
                None => return Ok(atom),
            },
            _ => return Ok(atom),
        };
        self.at += 1;
        let lazy = self.eat("?");
        let again = match self.peek() {
            Some('*' | '+' | '?') => true,
            Some('{') => self.counts()?.is_some(),
            _ => false,
        };
        if again {
            return Err(format!(
                "there is nothing to repeat at {}: put the repetition into a group",
                self.at
            ));
        }
        Ok(Node::Repeat { node: Box::new(atom), min, max, greedy: lazy == self.flags.swap_greed })
    }

    /// Reads `{n}`, `{n,}`, `{,m}` or `{n,m}` up to its brace; anything else is a literal brace.
    fn counts(&mut self) -> Result<Option<(usize, Option<usize>)>, String> {
        let inside: String = self.source[self.at + 1..].iter().take_while(|next| **next != '}').collect();
        let (min, max) = inside.split_once(',').unwrap_or((&inside, &inside));
        let digits = |text: &str| text.chars().all(|digit| digit.is_ascii_digit());
        if !digits(min) || !digits(max) || (min.is_empty() && max.is_empty()) {
            return Ok(None);
        }
        let closing = self.at + 1 + inside.chars().count();
        if self.source.get(closing) != Some(&'}') {
            return Ok(None);
        }
        let number = |text: &str| match text.parse::<usize>() {
            Ok(number) if number <= MAX_REPEAT => Ok(number),
            _ => Err(format!("it repeats something more than {MAX_REPEAT} times")),
        };
        let least = if min.is_empty() { 0 } else { number(min)? };
        let most = if max.is_empty() { None } else { Some(number(max)?) };
        if most.is_some_and(|most| most < least) {
            return Err(format!("the repetition {{{inside}}} counts backwards"));
        }
        self.at = closing;
        Ok(Some((least, most)))
    }

    fn atom(&mut self) -> Result<Node, String> {
        let at = self.at;
        Ok(match self.next().unwrap_or_default() {
            '.' => Node::Any,
            '^' if self.flags.multi_line => Node::Assert(Assert::LineStart),
            '$' if self.flags.multi_line => Node::Assert(Assert::LineEnd),
            '^' => Node::Assert(Assert::TextStart),
            '$' => Node::Assert(Assert::TextEnd),
            '[' => Node::Class(self.class()?),
            '(' => self.group()?,
            '*' | '+' | '?' => return Err(format!("there is nothing to repeat at {at}")),
            '\\' => self.escape()?,
            literal => Node::Char(literal),
        })
    }

    fn group(&mut self) -> Result<Node, String> {
        self.nesting += 1;
        if self.nesting > MAX_NESTING {
            return Err(format!("its groups are nested more than {MAX_NESTING} levels deep"));
        }
        let number = if self.eat("?:") {
            None
        } else if ["?=", "?!", "?<=", "?<!", "?>"].iter().any(|kind| self.eat(kind)) {
            return Err("look-around and atomic groups are not supported".to_owned());
        } else {
            let name = self.group_name()?;
            self.names.push(name);
            Some(self.names.len())
        };
        let inside = self.alternation()?;
        if !self.eat(")") {
            return Err("a group is not closed".to_owned());
        }
        self.nesting -= 1;
        Ok(Node::Group(number, Box::new(inside)))
    }

    fn group_name(&mut self) -> Result<Option<Rc<String>>, String> {
        if !self.eat("?<") && !self.eat("?P<") {
            return match self.peek() {
                Some('?') => Err("flags inside of a pattern are not supported: give them apart".to_owned()),
                _ => Ok(None),
            };
        }
        let mut name = String::new();
        while let Some(next) = self.next().filter(|next| *next != '>') {
            name.push(next);
        }
        let known = self.names.iter().flatten().any(|other| **other == name);
        match name.chars().all(|next| next.is_alphanumeric() || next == '_') && !name.is_empty() && !known {
            true => Ok(Some(Rc::new(name))),
            false => Err(format!("{name:?} cannot name a group, or does so twice")),
        }
    }

    fn escape(&mut self) -> Result<Node, String> {
        if let Some(item) = self.kind_escape()? {
            return Ok(Node::Class(Class { negated: false, items: vec![item] }));
        }
        Ok(match self.peek() {
            Some('b') => self.assertion(Assert::WordBoundary),
            Some('B') => self.assertion(Assert::NotWordBoundary),
            Some('A') => self.assertion(Assert::TextStart),
            Some('z' | 'Z') => self.assertion(Assert::TextEnd),
            Some('1'..='9' | 'k') => return Err("backreferences are not supported".to_owned()),
            _ => Node::Char(self.char_escape()?),
        })
    }

    fn assertion(&mut self, assert: Assert) -> Node {
        self.at += 1;
        Node::Assert(assert)
    }

    /// Reads what follows a backslash if it stands for a kind of character.
    fn kind_escape(&mut self) -> Result<Option<ClassItem>, String> {
        let Some(letter) = self.peek() else { return Err("it ends in a backslash".to_owned()) };
        let kind: fn(char) -> bool = match letter {
            'd' | 'D' => is_digit,
            'w' | 'W' => is_word,
            's' | 'S' => char::is_whitespace,
            'h' | 'H' => |c| c.is_ascii_hexdigit(),
            'p' | 'P' => {
                self.at += 1;
                return Ok(Some(self.property(letter == 'P')?));
            }
            _ => return Ok(None),
        };
        self.at += 1;
        Ok(Some(ClassItem::Kind(kind, letter.is_ascii_uppercase())))
    }

    fn property(&mut self, negated: bool) -> Result<ClassItem, String> {
        let mut name = String::new();
        match self.next() {
            Some('{') => {
                while let Some(next) = self.next().filter(|next| *next != '}') {
                    name.push(next);
                }
            }
            other => name.extend(other),
        }
        let inverse = name.strip_prefix('^').map(str::to_owned);
        let kind = kind_named(&inverse.clone().unwrap_or(name.clone()))
            .ok_or_else(|| format!("the kind of character {name:?} is not known"))?;
        Ok(ClassItem::Kind(kind, negated != inverse.is_some()))
    }

    /// Reads what follows a backslash as a single character.
    fn char_escape(&mut self) -> Result<char, String> {
        Ok(match self.next() {
            Some('n') => '\n',
            Some('t') => '\t',
            Some('r') => '\r',
            Some('f') => '\u{c}',
            Some('v') => '\u{b}',
            Some('a') => '\u{7}',
            Some('e') => '\u{1b}',
            Some('0') => '\0',
            Some('x') => self.hexadecimal(2)?,
            Some('u') => self.hexadecimal(4)?,
            Some(letter) if letter.is_ascii_alphanumeric() => return Err(format!("\\{letter} is not known")),
            Some(literal) => literal,
            None => return Err("it ends in a backslash".to_owned()),
        })
    }

    fn hexadecimal(&mut self, digits: usize) -> Result<char, String> {
        let text: String = if self.eat("{") {
            let text = self.source[self.at..].iter().take_while(|next| **next != '}').collect::<String>();
            self.at = (self.at + text.chars().count() + 1).min(self.source.len());
            text
        } else {
            let text: String = self.source[self.at..].iter().take(digits).collect();
            self.at += text.chars().count();
            text
        };
        let code = u32::from_str_radix(&text, 16).ok().and_then(char::from_u32);
        code.ok_or_else(|| format!("{text:?} is no hexadecimal character"))
    }

    fn class(&mut self) -> Result<Class, String> {
        let mut class = Class { negated: self.eat("^"), items: Vec::new() };
        let mut first = true;
        loop {
            if self.eat("[:") {
                class.items.push(self.posix()?);
                first = false;
                continue;
            }
            match self.peek() {
                None => return Err("a class is not closed".to_owned()),
                Some(']') if !first => break,
                Some('[') => return Err("a class inside of a class is not supported: write \\[".to_owned()),
                Some('&') if self.eat("&&") => {
                    return Err("intersections of classes are not supported".to_owned());
                }
                Some(_) => class.items.push(self.class_item()?),
            }
            first = false;
        }
        self.at += 1;
        Ok(class)
    }

    fn posix(&mut self) -> Result<ClassItem, String> {
        let negated = self.eat("^");
        let name: String = self.source[self.at..].iter().take_while(|next| **next != ':').collect();
        self.at += name.chars().count();
        let kind = kind_named(&name).filter(|_| self.eat(":]"));
        let kind = kind.ok_or_else(|| format!("the kind of character [:{name}:] is not known"))?;
        Ok(ClassItem::Kind(kind, negated))
    }

    fn class_item(&mut self) -> Result<ClassItem, String> {
        if self.peek() == Some('\\') {
            self.at += 1;
            if let Some(item) = self.kind_escape()? {
                return Ok(item);
            }
            self.at -= 1;
        }
        let first = self.class_char()?;
        if self.peek() != Some('-') || matches!(self.source.get(self.at + 1), None | Some(']')) {
            return Ok(ClassItem::Range(first, first));
        }
        self.at += 1;
        let last = self.class_char()?;
        match first <= last {
            true => Ok(ClassItem::Range(first, last)),
            false => Err(format!("the range {first}-{last} counts backwards")),
        }
    }

    fn class_char(&mut self) -> Result<char, String> {
        match self.next() {
            Some('\\') if self.eat("b") => Ok('\u{8}'),
            Some('\\') => self.char_escape(),
            Some(literal) => Ok(literal),
            None => Err("a class is not closed".to_owned()),
        }
    }
}

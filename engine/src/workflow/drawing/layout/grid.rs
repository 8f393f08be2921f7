//! The grid of a list: a row and a column for each item, and where the ways run that pass other rows.

use super::super::graph::{Body, Edge, Graph, IN, OUT};

/// The most columns that tasks stand in; what finds no place among them stands further down.
const MOST_COLUMNS: usize = 6;

/// Rows and columns.
pub(super) struct Grid {
    /// The number of rows.
    pub(super) rows: usize,
    /// The number of columns.
    pub(super) columns: usize,
    /// The row and column of each item.
    pub(super) places: Vec<(usize, usize)>,
    /// How each way of the graph runs.
    pub(super) courses: Vec<Course>,
    /// The number of lanes at the left.
    pub(super) lanes: usize,
}

/// How a way runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// Down; through this column where it passes rows.
    Down(usize),
    /// Back up through a lane.
    Back(usize),
}

/// What a cell is taken by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Cell {
    Free,
    Item,
    /// Ways to this item.
    Way(usize),
}

#[derive(Default)]
struct Cells(Vec<Vec<Cell>>);

impl Cells {
    fn get(&self, row: usize, column: usize) -> Cell {
        self.0.get(column).and_then(|cells| cells.get(row)).copied().unwrap_or(Cell::Free)
    }

    fn set(&mut self, row: usize, column: usize, cell: Cell) {
        if self.0.len() <= column {
            self.0.resize(column + 1, Vec::new());
        }
        let cells = &mut self.0[column];
        if cells.len() <= row {
            cells.resize(row + 1, Cell::Free);
        }
        cells[row] = cell;
    }
}

/// Lays a graph out on a grid.
pub(super) fn grid(graph: &Graph) -> Grid {
    let mut cells = Cells::default();
    let places = places(graph, &mut cells);
    let rows = places[OUT].0 + 1;
    let mut courses = Vec::with_capacity(graph.edges.len());
    let mut lanes: Vec<Vec<(usize, usize)>> = Vec::new();
    for edge in &graph.edges {
        let course = match graph.is_forward(edge) {
            true => Course::Down(through(edge, &places, &mut cells)),
            false => Course::Back(lane(places[edge.from].0, places[edge.to].0, &mut lanes)),
        };
        courses.push(course);
    }
    Grid { rows, columns: cells.0.len().max(1), places, courses, lanes: lanes.len() }
}

/// A row for each item below those that lead to it, and a column near to theirs.
fn places(graph: &Graph, cells: &mut Cells) -> Vec<(usize, usize)> {
    let mut into: Vec<Vec<usize>> = vec![Vec::new(); graph.items.len()];
    let mut ways_from = vec![0_usize; graph.items.len()];
    for edge in &graph.edges {
        ways_from[edge.from] += 1;
        if graph.is_forward(edge) {
            into[edge.to].push(edge.from);
        }
    }
    let mut order: Vec<usize> = (0..graph.items.len()).filter(|item| ![IN, OUT].contains(item)).collect();
    order.sort_by_key(|item| graph.items[*item].rank);
    let mut places = vec![(0, 0); graph.items.len()];
    cells.set(0, 0, Cell::Item);
    let (mut last, mut lowest) = (0, 0);
    for item in order {
        let below = into[item].iter().map(|from| places[*from].0).max().unwrap_or(last) + 1;
        let mut wanted = into[item].iter().map(|from| places[*from].1).min().unwrap_or(0);
        if matches!(graph.items[item].body, Body::Mark(_))
            && into[item].iter().any(|from| ways_from[*from] > 1)
        {
            wanted = (wanted + 1).min(MOST_COLUMNS - 1);
        }
        let columns = || (wanted..MOST_COLUMNS).chain((0..wanted).rev());
        let mut free = (below..).flat_map(|row| columns().map(move |column| (row, column)));
        let place =
            free.find(|(row, column)| cells.get(*row, *column) == Cell::Free).unwrap_or((below, wanted));
        cells.set(place.0, place.1, Cell::Item);
        places[item] = place;
        last = place.0;
        lowest = lowest.max(place.0);
    }
    places[OUT] = (lowest + 1, 0);
    cells.set(lowest + 1, 0, Cell::Item);
    places
}

/// The column through which a way passes the rows between its ends.
fn through(edge: &Edge, places: &[(usize, usize)], cells: &mut Cells) -> usize {
    let ((from_row, from), (to_row, to)) = (places[edge.from], places[edge.to]);
    if to_row <= from_row + 1 {
        return to;
    }
    let own = Cell::Way(edge.to);
    let rows = from_row + 1..to_row;
    let is_free = |column: &usize| {
        rows.clone().all(|row| cells.get(row, *column) == Cell::Free || cells.get(row, *column) == own)
    };
    let column = [from, to].into_iter().chain(from.min(to)..).find(is_free).unwrap_or(to);
    rows.clone().for_each(|row| cells.set(row, column, own));
    column
}

/// The first lane at the left that no other way takes where this one runs: in the gap below the row it leaves, in the
/// one above the row it comes to, and between them. Where it comes to can be the lower one: a task that is earlier in
/// its list stands further down if what leads to it does.
fn lane(from_row: usize, to_row: usize, lanes: &mut Vec<Vec<(usize, usize)>>) -> usize {
    let (leaves, enters) = (from_row, to_row - 1);
    let (top, bottom) = (leaves.min(enters), leaves.max(enters));
    let is_free = |lane: &Vec<(usize, usize)>| lane.iter().all(|(t, b)| bottom < *t || *b < top);
    let index = lanes.iter().position(is_free).unwrap_or(lanes.len());
    if index == lanes.len() {
        lanes.push(Vec::new());
    }
    lanes[index].push((top, bottom));
    index
}

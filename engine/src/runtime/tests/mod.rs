mod node;
mod ownership;

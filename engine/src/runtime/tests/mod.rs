mod broken;
mod node;
mod ownership;

//! From the syntax tree to imports and functions.

use proc_macro2::Span;
use syn::visit::Visit;

use super::{Function, Import};

/// Collects imports and functions from the syntax tree.
#[derive(Default)]
pub(super) struct Outline {
    pub(super) imports: Vec<Import>,
    pub(super) functions: Vec<Function>,
}

impl Outline {
    fn function(&mut self, signature: &syn::Signature, body: &syn::Block) {
        let line = signature.fn_token.span.start().line;
        let lines = body.brace_token.span.close().end().line + 1 - line;
        self.functions.push(Function { name: signature.ident.to_string(), line, lines });
    }

    fn import(&mut self, prefix: &[String], tree: &syn::UseTree) {
        let extended =
            |name: &syn::Ident| prefix.iter().cloned().chain([name.to_string()]).collect::<Vec<_>>();
        let mut push = |path: Vec<String>, local: String, span: Span| {
            self.imports.push(Import { path, local, line: span.start().line });
        };
        match tree {
            syn::UseTree::Path(path) => self.import(&extended(&path.ident), &path.tree),
            syn::UseTree::Group(group) => group.items.iter().for_each(|item| self.import(prefix, item)),
            syn::UseTree::Name(name) if name.ident == "self" => {
                push(prefix.to_vec(), prefix.last().cloned().unwrap_or_default(), name.ident.span());
            }
            syn::UseTree::Name(name) => {
                push(extended(&name.ident), name.ident.to_string(), name.ident.span())
            }
            syn::UseTree::Rename(name) if name.ident == "self" => {
                push(prefix.to_vec(), name.rename.to_string(), name.ident.span());
            }
            syn::UseTree::Rename(name) => {
                push(extended(&name.ident), name.rename.to_string(), name.ident.span());
            }
            syn::UseTree::Glob(glob) => {
                let path = prefix.iter().cloned().chain(["*".to_owned()]).collect();
                push(path, "*".to_owned(), glob.star_token.spans[0]);
            }
        }
    }
}

impl<'ast> Visit<'ast> for Outline {
    fn visit_item_fn(&mut self, node: &'ast syn::ItemFn) {
        self.function(&node.sig, &node.block);
        syn::visit::visit_item_fn(self, node);
    }

    fn visit_impl_item_fn(&mut self, node: &'ast syn::ImplItemFn) {
        self.function(&node.sig, &node.block);
        syn::visit::visit_impl_item_fn(self, node);
    }

    fn visit_trait_item_fn(&mut self, node: &'ast syn::TraitItemFn) {
        if let Some(body) = &node.default {
            self.function(&node.sig, body);
        }
        syn::visit::visit_trait_item_fn(self, node);
    }

    fn visit_item_use(&mut self, node: &'ast syn::ItemUse) {
        self.import(&[], &node.tree);
    }
}

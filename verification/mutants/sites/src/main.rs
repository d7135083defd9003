//! Lists the places of Rust files at which `switches.py` puts a mutant, one JSON object a line.
//!
//! Three operators, none of which cargo-mutants has: a guard passes, a statement is left out, an argument of a
//! derivation is a constant. This program must never change a file.

use std::{env, fs, process::ExitCode};

use proc_macro2::Span;
use serde::Serialize;
use syn::{
    Attribute, Block, Expr, ExprCall, ExprIf, ExprMethodCall, ExprStruct, GenericArgument, ImplItemFn,
    ItemFn, ItemMod, PathArguments, ReturnType, Signature, Stmt, Type,
    spanned::Spanned as _,
    visit::{self, Visit},
};

/// What a mutant does.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Operator {
    /// A check with `?` is not made, a condition that refuses is false, or a verdict is `Ok(())`.
    PassGuard,
    /// A call or an assignment to a field is left out.
    LeaveOut,
    /// An argument of a derivation is a constant of its type.
    Constant,
}

/// How the text at the place becomes a mutant.
#[derive(Clone, Copy, Serialize)]
#[serde(rename_all = "snake_case")]
enum Shape {
    /// A whole statement.
    Statement,
    /// A condition without `let`.
    Condition,
    /// A condition with `let`.
    LetCondition,
    /// An argument.
    Argument,
    /// What a function that gives `Result<(), _>` ends with.
    Verdict,
}

#[derive(Serialize)]
struct Site<'a> {
    file: &'a str,
    line: usize,
    column: usize,
    /// The bytes of the place.
    start: usize,
    end: usize,
    function: &'a str,
    operator: Operator,
    shape: Shape,
}

struct Finder<'a> {
    file: &'a str,
    functions: Vec<String>,
}

impl Finder<'_> {
    fn found(&self, span: Span, operator: Operator, shape: Shape) {
        let (place, begin) = (span.byte_range(), span.start());
        let function = self.functions.last().map_or("", String::as_str);
        let site = Site {
            file: self.file,
            line: begin.line,
            column: begin.column + 1,
            start: place.start,
            end: place.end,
            function,
            operator,
            shape,
        };
        println!("{}", serde_json::to_string(&site).expect("a site is plain data"));
    }

    fn arguments<'e>(&self, arguments: impl IntoIterator<Item = &'e Expr>) {
        for argument in arguments {
            self.found(argument.span(), Operator::Constant, Shape::Argument);
        }
    }

    /// The verdicts that a block ends with: in each arm of it that is not `Ok`.
    fn verdicts(&self, block: &Block) {
        if let Some(Stmt::Expr(last, None)) = block.stmts.last() {
            self.verdict(last);
        }
    }

    fn verdict(&self, last: &Expr) {
        match last {
            Expr::Call(call) if called(call).is_some_and(|name| name == "Ok") => {}
            Expr::Call(_) | Expr::MethodCall(_) => {
                self.found(last.span(), Operator::PassGuard, Shape::Verdict)
            }
            Expr::Block(inner) => self.verdicts(&inner.block),
            Expr::Match(choice) => choice.arms.iter().for_each(|arm| self.verdict(&arm.body)),
            Expr::If(branch) => {
                self.verdicts(&branch.then_branch);
                branch.else_branch.iter().for_each(|(_, other)| self.verdict(other));
            }
            _ => {}
        }
    }

    fn within(&mut self, name: String, constant: bool, body: impl FnOnce(&mut Self)) {
        // A constant function can ask nobody whether it is a mutant. Formatters have methods of the same names.
        if !constant && name != "fmt" {
            self.functions.push(name);
            body(self);
            self.functions.pop();
        }
    }
}

/// Whether it is compiled for tests alone.
fn for_tests(attributes: &[Attribute]) -> bool {
    attributes.iter().any(|attribute| {
        attribute.path().is_ident("test")
            || attribute.path().is_ident("cfg")
                && attribute.meta.require_list().is_ok_and(|list| list.tokens.to_string() == "test")
    })
}

/// Whether a block ends in a refusal: it leaves its function, or its value is an `Err`.
fn refuses(block: &Block) -> bool {
    match block.stmts.last() {
        Some(Stmt::Expr(Expr::Return(_), _)) => true,
        Some(Stmt::Expr(Expr::Call(call), None)) => called(call).is_some_and(|name| name.ends_with("Err")),
        _ => false,
    }
}

/// The path of the function that is called.
fn called(call: &ExprCall) -> Option<String> {
    let Expr::Path(path) = &*call.func else { return None };
    let names: Vec<String> = path.path.segments.iter().map(|part| part.ident.to_string()).collect();
    Some(names.join("::"))
}

/// Whether a function gives `Result<(), _>`.
fn gives_a_verdict(signature: &Signature) -> bool {
    let ReturnType::Type(_, output) = &signature.output else { return false };
    let Type::Path(path) = &**output else { return false };
    let Some(last) = path.path.segments.last() else { return false };
    let PathArguments::AngleBracketed(arguments) = &last.arguments else { return false };
    let unit = |argument: &GenericArgument| matches!(argument, GenericArgument::Type(Type::Tuple(tuple)) if tuple.elems.is_empty());
    last.ident == "Result" && arguments.args.first().is_some_and(unit)
}

/// Whether an assignment goes to something that has a value already: leaving it out compiles.
fn overwrites(left: &Expr) -> bool {
    matches!(left, Expr::Field(_) | Expr::Index(_) | Expr::Unary(_))
}

fn has_let(condition: &Expr) -> bool {
    struct Lets(bool);
    impl Visit<'_> for Lets {
        fn visit_expr_let(&mut self, _: &syn::ExprLet) {
            self.0 = true;
        }
    }
    let mut lets = Lets(false);
    lets.visit_expr(condition);
    lets.0
}

impl<'ast> Visit<'ast> for Finder<'_> {
    fn visit_item_mod(&mut self, module: &'ast ItemMod) {
        if !for_tests(&module.attrs) {
            visit::visit_item_mod(self, module);
        }
    }

    fn visit_item_fn(&mut self, function: &'ast ItemFn) {
        if for_tests(&function.attrs) {
            return;
        }
        let constant = function.sig.constness.is_some();
        self.within(function.sig.ident.to_string(), constant, |finder| {
            if gives_a_verdict(&function.sig) {
                finder.verdicts(&function.block);
            }
            visit::visit_item_fn(finder, function);
        });
    }

    fn visit_impl_item_fn(&mut self, function: &'ast ImplItemFn) {
        if for_tests(&function.attrs) {
            return;
        }
        let constant = function.sig.constness.is_some();
        let name = function.sig.ident.to_string();
        self.within(name, constant, |finder| {
            if gives_a_verdict(&function.sig) {
                finder.verdicts(&function.block);
            }
            visit::visit_impl_item_fn(finder, function);
        });
    }

    fn visit_stmt(&mut self, statement: &'ast Stmt) {
        if let Stmt::Expr(expression, Some(_)) = statement {
            match expression {
                Expr::Try(_) => self.found(statement.span(), Operator::PassGuard, Shape::Statement),
                Expr::Call(_) | Expr::MethodCall(_) => {
                    self.found(statement.span(), Operator::LeaveOut, Shape::Statement);
                }
                Expr::Assign(assign) if overwrites(&assign.left) => {
                    self.found(statement.span(), Operator::LeaveOut, Shape::Statement);
                }
                _ => {}
            }
        }
        visit::visit_stmt(self, statement);
    }

    fn visit_expr_if(&mut self, branch: &'ast ExprIf) {
        if refuses(&branch.then_branch) {
            let shape = if has_let(&branch.cond) { Shape::LetCondition } else { Shape::Condition };
            self.found(branch.cond.span(), Operator::PassGuard, shape);
        }
        visit::visit_expr_if(self, branch);
    }

    fn visit_expr_call(&mut self, call: &'ast ExprCall) {
        // The fields of the struct that this one takes are places of their own.
        let derives = |name: String| {
            name.starts_with("derive::") && name != "derive::binding_code"
                || ["EffectId::send", "EffectId::token", "EffectId::notify", "Draws::new"].contains(&&*name)
        };
        if called(call).is_some_and(derives) {
            self.arguments(&call.args);
        }
        visit::visit_expr_call(self, call);
    }

    fn visit_expr_method_call(&mut self, call: &'ast ExprMethodCall) {
        let fields = ["field", "fixed", "prefixed", "joined"];
        if self.file.contains("/keys/") && fields.contains(&&*call.method.to_string()) {
            self.arguments(&call.args);
        }
        visit::visit_expr_method_call(self, call);
    }

    fn visit_expr_struct(&mut self, value: &'ast ExprStruct) {
        if value.path.is_ident("Binding") {
            self.arguments(
                value.fields.iter().filter(|field| field.colon_token.is_some()).map(|field| &field.expr),
            );
        }
        visit::visit_expr_struct(self, value);
    }
}

fn main() -> ExitCode {
    for name in env::args().skip(1) {
        let parsed = fs::read_to_string(&name).map_err(|error| error.to_string());
        match parsed.and_then(|text| syn::parse_file(&text).map_err(|error| error.to_string())) {
            Ok(file) => Finder { file: &name, functions: Vec::new() }.visit_file(&file),
            Err(error) => {
                eprintln!("{name}: {error}");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

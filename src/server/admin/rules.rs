//! Who may call which route.
//!
//! The rule of a route stands beside its handler, as `x-permission` of its description: `public`, `probe`, or a
//! [`Permission`]. A route without one is for those alone who may do everything, and fails a test.

use super::problem::operations_mut;
use crate::accounts::Permission;
use axum::http::Method;
use std::collections::HashMap;
use utoipa::openapi::OpenApi;

/// What a description calls it.
pub(super) const EXTENSION: &str = "x-permission";

/// What a route asks of whoever calls it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Rule {
    /// Nothing: what it takes stands in the request's body.
    Public,
    /// Nothing on this machine, and to be let in at all elsewhere.
    Probe,
    /// Somebody who may do this.
    Needs(Permission),
}

/// The rules of all routes that are described.
#[derive(Debug)]
pub(super) struct Rules {
    rules: HashMap<(&'static str, String), Rule>,
}

impl Rule {
    fn parse(text: &str) -> Option<Self> {
        match text {
            "public" => Some(Self::Public),
            "probe" => Some(Self::Probe),
            other => Permission::parse(other).map(Self::Needs),
        }
    }
}

impl Rules {
    /// Reads them from a description.
    pub(super) fn of(mut description: OpenApi) -> Self {
        let mut rules = HashMap::new();
        for (path, item) in &mut description.paths.paths {
            for (method, operation) in operations_mut(item) {
                let rule = operation
                    .extensions
                    .as_ref()
                    .and_then(|extensions| extensions.get(EXTENSION)?.as_str())
                    .and_then(Rule::parse)
                    .unwrap_or(Rule::Needs(Permission::ManageAccounts));
                rules.insert((method, path.clone()), rule);
            }
        }
        Self { rules }
    }

    /// The rule of a route, by the path as it is described; nothing if there is no such route.
    pub(super) fn find(&self, method: &Method, path: &str) -> Option<Rule> {
        // Whoever may read a thing may ask whether it is there.
        let name = if method == Method::HEAD {
            "GET"
        } else {
            method.as_str()
        };
        let mut rules = self.rules.iter();
        let found = rules.find(|((of, at), _)| *of == name && at == path);
        found.map(|(_, rule)| *rule)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn asvs_8_1_1_every_route_has_a_rule() {
        let mut description = super::super::description();
        for (path, item) in &mut description.paths.paths {
            for (method, operation) in operations_mut(item) {
                let extensions = operation.extensions.as_ref();
                let rule = extensions
                    .and_then(|extensions| extensions.get(EXTENSION)?.as_str())
                    .and_then(Rule::parse);
                assert!(
                    rule.is_some(),
                    "{method} {path}: say x-permission beside its handler"
                );
            }
        }
    }

    #[test]
    fn a_route_is_found_by_method_and_path() {
        let rules = Rules::of(super::super::description());
        let find = |method: Method, path| rules.find(&method, path);
        assert_eq!(find(Method::GET, "/livez"), Some(Rule::Probe));
        let steer = Some(Rule::Needs(Permission::Steer));
        assert_eq!(find(Method::POST, "/api/v1/drain"), steer);
        assert_eq!(find(Method::GET, "/api/v1/drain"), None);
        let look = Some(Rule::Needs(Permission::Look));
        assert_eq!(find(Method::HEAD, "/api/v1/status"), look);
    }
}

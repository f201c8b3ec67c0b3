//! Maps an `apiVersion` and a `kind` to a resource: built-in kinds of Kubernetes by a table, other kinds by API
//! discovery.

use std::any::TypeId;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use k8s_openapi::{NamespaceResourceScope, Resource as ApiType, api};
use serde::Deserialize;

use crate::request::Resource;

/// The `apiVersion` of Roles, ClusterRoles and their bindings.
pub(crate) const RBAC_API_VERSION: &str = "rbac.authorization.k8s.io/v1";

/// Splits an `apiVersion` into group and version. The group is empty for the core group.
pub(crate) fn split_api_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

/// Returns the `apiVersion`, kind and plural name of a type, and whether it is namespaced.
fn describe_type<T: ApiType>() -> (&'static str, &'static str, &'static str, bool)
where
    T::Scope: 'static,
{
    let namespaced = TypeId::of::<T::Scope>() == TypeId::of::<NamespaceResourceScope>();
    (T::API_VERSION, T::KIND, T::URL_PATH_SEGMENT, namespaced)
}

/// Returns the resource of a built-in kind of Kubernetes. Returns `None` for other kinds, which require API discovery.
pub(crate) fn built_in_resource(api_version: &str, kind: &str) -> Option<Resource> {
    macro_rules! table {
        ($($group:ident::$version:ident: $($kind:ident)*;)*) => { [$($(describe_type::<api::$group::$version::$kind>(),)*)*] };
    }
    let table = table! {
        core::v1: ConfigMap Endpoints LimitRange Namespace Node PersistentVolume PersistentVolumeClaim Pod PodTemplate
            ReplicationController ResourceQuota Secret Service ServiceAccount;
        apps::v1: ControllerRevision DaemonSet Deployment ReplicaSet StatefulSet;
        autoscaling::v2: HorizontalPodAutoscaler;
        batch::v1: CronJob Job;
        coordination::v1: Lease;
        discovery::v1: EndpointSlice;
        networking::v1: Ingress IngressClass NetworkPolicy;
        policy::v1: PodDisruptionBudget;
        rbac::v1: ClusterRole ClusterRoleBinding Role RoleBinding;
        scheduling::v1: PriorityClass;
        storage::v1: StorageClass;
        admissionregistration::v1: MutatingWebhookConfiguration ValidatingAdmissionPolicy
            ValidatingAdmissionPolicyBinding ValidatingWebhookConfiguration;
    };
    let crd =
        describe_type::<k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition>();
    let entry = table.iter().chain([&crd]).find(|(version, name, ..)| *version == api_version && *name == kind);
    entry.map(|&(api_version, kind, plural, namespaced)| {
        let (group, version) = split_api_version(api_version);
        let [group, version, kind, plural] = [group, version, kind, plural].map(str::to_owned);
        Resource { group, version, kind, plural, namespaced }
    })
}

/// The discovered resources, keyed by `apiVersion`. Concurrent requests share the cache.
#[derive(Default)]
pub(crate) struct DiscoveryCache(RefCell<HashMap<String, Rc<Vec<Resource>>>>);

impl DiscoveryCache {
    /// Looks up the resource of a kind. Returns `None` if the `apiVersion` is not in the cache, and `Some(None)` if it
    /// is in the cache but the server has no such kind.
    pub(crate) fn find(&self, api_version: &str, kind: &str) -> Option<Option<Resource>> {
        let cache = self.0.borrow();
        let resources = cache.get(api_version)?;
        Some(resources.iter().find(|resource| resource.kind == kind).cloned())
    }

    /// Adds the resources in `response`, the `APIResourceList` from a discovery request. Returns `None` if the response
    /// cannot be parsed.
    pub(crate) fn insert(&self, api_version: &str, response: &[u8]) -> Option<()> {
        #[derive(Deserialize)]
        struct ApiResourceList {
            resources: Vec<ApiResource>,
        }
        #[derive(Deserialize)]
        struct ApiResource {
            name: String,
            kind: String,
            namespaced: bool,
        }
        let list: ApiResourceList = serde_json::from_slice(response).ok()?;
        let (group, version) = split_api_version(api_version);
        // Skip subresources, whose names contain a slash, such as `flows/status`.
        let resources = list.resources.into_iter().filter(|item| !item.name.contains('/')).map(|item| Resource {
            group: group.to_owned(),
            version: version.to_owned(),
            kind: item.kind,
            plural: item.name,
            namespaced: item.namespaced,
        });
        self.0.borrow_mut().insert(api_version.to_owned(), Rc::new(resources.collect()));
        Some(())
    }

    /// Removes an `apiVersion` so that the next lookup sends a discovery request: a CustomResourceDefinition may have
    /// added a kind.
    pub(crate) fn remove(&self, api_version: &str) {
        self.0.borrow_mut().remove(api_version);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn knows_the_built_in_kinds() {
        let job = built_in_resource("batch/v1", "Job").unwrap();
        assert_eq!((job.group.as_str(), job.plural.as_str(), job.namespaced), ("batch", "jobs", true));
        let role = built_in_resource(RBAC_API_VERSION, "ClusterRole").unwrap();
        assert_eq!((role.plural.as_str(), role.namespaced), ("clusterroles", false));
        assert_eq!(built_in_resource("v1", "Endpoints").unwrap().plural, "endpoints");
        assert!(built_in_resource("apiextensions.k8s.io/v1", "CustomResourceDefinition").is_some());
        assert!(built_in_resource("batch/v1beta1", "CronJob").is_none());
    }

    #[test]
    fn caches_discovered_kinds() {
        let cache = DiscoveryCache::default();
        assert!(cache.find("x.io/v1", "Flow").is_none());
        let response = br#"{"resources":[{"name":"flows/status","kind":"Flow","namespaced":true},
            {"name":"flows","kind":"Flow","namespaced":true}]}"#;
        cache.insert("x.io/v1", response).unwrap();
        assert_eq!(cache.find("x.io/v1", "Flow").unwrap().unwrap().plural, "flows");
        assert!(cache.find("x.io/v1", "Flaw").unwrap().is_none());
        assert!(cache.insert("x.io/v1", b"<html>").is_none());
    }
}

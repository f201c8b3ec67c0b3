//! From `apiVersion` and `kind` to a resource: Kubernetes' own from a table, others asked of the server once.

use std::any::TypeId;
use std::cell::RefCell;
use std::collections::HashMap;
use std::rc::Rc;

use k8s_openapi::{NamespaceResourceScope, Resource as BuiltIn, api};
use serde::Deserialize;

use crate::request::Resource;

/// The group and version of Roles and their bindings.
pub(crate) const RBAC: &str = "rbac.authorization.k8s.io/v1";

/// A kind as a manifest has it.
pub(crate) fn group_version(api_version: &str) -> (&str, &str) {
    api_version.split_once('/').unwrap_or(("", api_version))
}

fn entry<T: BuiltIn>() -> (&'static str, &'static str, &'static str, bool)
where
    T::Scope: 'static,
{
    let namespaced = TypeId::of::<T::Scope>() == TypeId::of::<NamespaceResourceScope>();
    (T::API_VERSION, T::KIND, T::URL_PATH_SEGMENT, namespaced)
}

/// The resource of a kind that Kubernetes itself has. What is not in the table is asked of the server.
pub(crate) fn built_in(api_version: &str, kind: &str) -> Option<Resource> {
    macro_rules! table {
        ($($group:ident::$version:ident: $($kind:ident)*;)*) => { [$($(entry::<api::$group::$version::$kind>(),)*)*] };
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
    let crd = entry::<k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition>();
    let found = table.iter().chain([&crd]).find(|(version, name, ..)| *version == api_version && *name == kind);
    found.map(|&(api_version, kind, plural, namespaced)| {
        let (group, version) = group_version(api_version);
        let [group, version, kind, plural] = [group, version, kind, plural].map(str::to_owned);
        Resource { group, version, kind, plural, namespaced }
    })
}

/// What the server has said about groups so far. Requests that are under way together share it.
#[derive(Default)]
pub(crate) struct Discovered(RefCell<HashMap<String, Rc<Vec<Resource>>>>);

impl Discovered {
    /// The resource of a kind: none within where the group and version are known and have no such kind.
    pub(crate) fn find(&self, api_version: &str, kind: &str) -> Option<Option<Resource>> {
        let known = self.0.borrow();
        let resources = known.get(api_version)?;
        Some(resources.iter().find(|resource| resource.kind == kind).cloned())
    }

    /// Remembers an answer about a group and version; none where it is no such answer.
    pub(crate) fn learn(&self, api_version: &str, answer: &[u8]) -> Option<()> {
        #[derive(Deserialize)]
        struct List {
            resources: Vec<Item>,
        }
        #[derive(Deserialize)]
        struct Item {
            name: String,
            kind: String,
            namespaced: bool,
        }
        let list: List = serde_json::from_slice(answer).ok()?;
        let (group, version) = group_version(api_version);
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

    /// Forgets a group and version: a CustomResourceDefinition may have added to it.
    pub(crate) fn forget(&self, api_version: &str) {
        self.0.borrow_mut().remove(api_version);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn kinds_of_kubernetes_itself() {
        let job = built_in("batch/v1", "Job").unwrap();
        assert_eq!((job.group.as_str(), job.plural.as_str(), job.namespaced), ("batch", "jobs", true));
        let role = built_in(RBAC, "ClusterRole").unwrap();
        assert_eq!((role.plural.as_str(), role.namespaced), ("clusterroles", false));
        assert_eq!(built_in("v1", "Endpoints").unwrap().plural, "endpoints");
        assert!(built_in("apiextensions.k8s.io/v1", "CustomResourceDefinition").is_some());
        assert!(built_in("batch/v1beta1", "CronJob").is_none());
    }

    #[test]
    fn answers_are_kept() {
        let kinds = Discovered::default();
        assert!(kinds.find("x.io/v1", "Flow").is_none());
        let answer = br#"{"resources":[{"name":"flows/status","kind":"Flow","namespaced":true},
            {"name":"flows","kind":"Flow","namespaced":true}]}"#;
        kinds.learn("x.io/v1", answer).unwrap();
        assert_eq!(kinds.find("x.io/v1", "Flow").unwrap().unwrap().plural, "flows");
        assert!(kinds.find("x.io/v1", "Flaw").unwrap().is_none());
        assert!(kinds.learn("x.io/v1", b"<html>").is_none());
    }
}

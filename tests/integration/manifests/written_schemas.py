"""Schemas of objects whose definitions no package carries. They are written by hand after the published
CustomResourceDefinitions (Gateway API 1.x `httproutes`, its Inference Extension's `inferencepools`, LeaderWorkerSet's
`leaderworkersets`, each as v1), with those fields only that the manifests may use: whatever else there is, is refused.
What an API server would find out by rules in CEL is not checked, nor what is within a pod's template: `objects_test.py`
takes that to Kubernetes' own schemas."""

import jsonschema

_DNS_LABEL = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?"
_NAME = {"type": "string", "minLength": 1, "maxLength": 253}
_GROUP = {"type": "string", "maxLength": 253, "pattern": rf"^$|^{_DNS_LABEL}(\.{_DNS_LABEL})*$"}
_KIND = {"type": "string", "maxLength": 63, "pattern": "^[a-zA-Z]([-a-zA-Z0-9]*[a-zA-Z0-9])?$"}
_PORT = {"type": "integer", "minimum": 1, "maximum": 65535}
_DURATION = {"type": "string", "pattern": "^([0-9]{1,5}(h|m|s|ms)){1,4}$"}
_LABEL = {"type": "string", "maxLength": 63, "pattern": "^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$"}
_COUNT_OR_PERCENT = {"type": ["integer", "string"]}


def _fields(required=(), **properties):
    return {"type": "object", "properties": properties, "required": list(required), "additionalProperties": False}


def _list(items, most, least=0):
    return {"type": "array", "items": items, "minItems": least, "maxItems": most}


def _one_of(*words):
    return {"enum": list(words)}


def _object(group, kind, spec):
    metadata = _fields(["name", "namespace"], name=_NAME, namespace=_NAME,
                       labels={"type": "object", "additionalProperties": _LABEL},
                       annotations={"type": "object", "additionalProperties": {"type": "string"}})
    return _fields(["apiVersion", "kind", "metadata", "spec"], apiVersion=_one_of(f"{group}/v1"), kind=_one_of(kind),
                   metadata=metadata, spec=spec)


_HTTP_ROUTE = _fields(
    parentRefs=_list(_fields(["name"], group=_GROUP, kind=_KIND, name=_NAME, namespace=_NAME, sectionName=_NAME,
                             port=_PORT), 32),
    hostnames=_list(_NAME, 16),
    rules=_list(_fields(
        matches=_list(_fields(path=_fields(type=_one_of("Exact", "PathPrefix", "RegularExpression"),
                                           value={"type": "string", "maxLength": 1024, "pattern": "^/"})), 64),
        backendRefs=_list(_fields(["name"], group=_GROUP, kind=_KIND, name=_NAME, namespace=_NAME, port=_PORT,
                                  weight={"type": "integer", "minimum": 0, "maximum": 1000000}), 16),
        timeouts=_fields(request=_DURATION, backendRequest=_DURATION)), 16, least=1))

_INFERENCE_POOL = _fields(
    ["selector", "targetPorts"],
    selector=_fields(["matchLabels"], matchLabels={"type": "object", "minProperties": 1, "maxProperties": 64,
                                                   "additionalProperties": _LABEL}),
    targetPorts=_list(_fields(["number"], number=_PORT), 8, least=1),
    endpointPickerRef=_fields(["name", "port"], group=_GROUP, kind=_KIND, name=_NAME,
                              port=_fields(["number"], number=_PORT), failureMode=_one_of("FailOpen", "FailClose")))

_LEADER_WORKER_SET = _fields(
    ["leaderWorkerTemplate"],
    replicas={"type": "integer", "minimum": 0, "maximum": 1000000},
    startupPolicy=_one_of("LeaderCreated", "LeaderReady"),
    networkConfig=_fields(["subdomainPolicy"], subdomainPolicy=_one_of("Shared", "UniquePerReplica")),
    rolloutStrategy=_fields(["type"], type=_one_of("RollingUpdate"), rollingUpdateConfiguration=_fields(
        maxSurge=_COUNT_OR_PERCENT, maxUnavailable=_COUNT_OR_PERCENT, partition={"type": "integer"})),
    leaderWorkerTemplate=_fields(
        ["workerTemplate"], size={"type": "integer", "minimum": 1},
        restartPolicy=_one_of("Default", "RecreateGroupOnPodRestart", "RecreateGroupAfterStart", "None"),
        leaderTemplate={"type": "object"}, workerTemplate={"type": "object"}))

SCHEMAS = {"HTTPRoute": _object("gateway.networking.k8s.io", "HTTPRoute", _HTTP_ROUTE),
           "InferencePool": _object("inference.networking.k8s.io", "InferencePool", _INFERENCE_POOL),
           "LeaderWorkerSet": _object("leaderworkerset.x-k8s.io", "LeaderWorkerSet", _LEADER_WORKER_SET)}


def validate(object):
    """Raises jsonschema.ValidationError where an object is not as its kind's schema wants it."""
    jsonschema.validate(object, SCHEMAS[object["kind"]], cls=jsonschema.Draft202012Validator)

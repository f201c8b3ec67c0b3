"""Asks the real Prefect 3 which Job its Kubernetes worker makes."""
import sys
import prefect, prefect_kubernetes

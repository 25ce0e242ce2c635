"""An Airflow, a model server and their homes on this machine: for `mlops run`, the demo and the tests."""

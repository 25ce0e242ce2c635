from mlops_dag_factory.loader import load_workflows  # every workflow file becomes an Airflow DAG
load_workflows("workflows")

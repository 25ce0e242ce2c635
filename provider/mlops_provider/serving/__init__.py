"""The model server: follows deployment records, answers predictions, logs them. Never imports Airflow."""

"""The command line of OpsJobs. It knows the service only by its API."""

"""How a step ends, as the retry rules of the templates and the service read it."""

#: It failed and said why; it is not repeated.
FAILED = 1
#: It was called wrongly; it is not repeated.
MISUSED = 2
#: It touched nothing: what it needs is not free, or not reachable. Argo begins it again later.
WAITING = 75
#: It touched nothing and never will: the job has failed too often already.
NOT_BEGUN = 76
#: The check that it looks after could not be started on its node in time; the termination message says why.
NOT_STARTED = 77

from hypothesis import settings

# How long one example takes says nothing on a machine that also builds and runs a cluster.
settings.register_profile("opsjobs", deadline=None)
settings.load_profile("opsjobs")

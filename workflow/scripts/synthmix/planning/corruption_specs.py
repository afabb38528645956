"""The specs of the jobs that corrupt images."""

from synthmix.planning import kinds
from synthmix.planning.plan import Job
from synthmix.planning.specs import Specs
from synthmix.spec import digest


class CorruptionSpecs(Specs):
    """Specs of the jobs of one plan, with those that corrupt images."""

    def corrupt(self, job: Job, training_set: str, corruption: str) -> str:
        """Spec of corrupt: the runs of one training set in a job, on corrupted test images."""
        definition = self.of["corruptions"][corruption]
        entries = ("corrupt.py", self._architecture(job.model), *kinds.corruption_files(definition))
        return self._spec(*entries, corruption=definition, **self._job(job, [training_set]))

    def corrupted_images(self, dataset: str, corruption: str) -> str:
        """Spec of corrupted_images: a train image of a data set, corrupted."""
        definition = self.of["corruptions"][corruption]
        entries = ("corrupted_images.py", *kinds.corruption_files(definition))
        return self._spec(*entries, corruption=definition, upstream={"data": digest(self.data(dataset))})

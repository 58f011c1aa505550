"""POST /api/v1/opsjobs: the form, then the rights, then the plan; all faults that can be known at once."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, replace
from http import HTTPStatus
from typing import Any

from fastapi import Request

from service.api import audit, body, idempotency, parse_order
from service.api.dependencies import Dependencies
from service.api.planning import resolved
from service.api.problems import Problem, refused
from service.api.received_body import received
from service.api.write_parameters import CreateParameters, creation
from service.domain import rollout_answer
from service.domain.cluster_objects import Caller
from service.domain.job_representation import plan_representation
from service.domain.request_faults import Fault, NotPermittedError, RefusedError
from service.jobs.order import Order
from service.jobs.plan_digest import plan_digest
from service.jobs.ports import IdempotencyKey, UnavailableError
from service.jobs.submit import Resolved

#: Bytes of a body that take more than a few milliseconds to look through.
MUCH = 64 * 1024


@dataclass(frozen=True, slots=True, kw_only=True)
class Created:
    """What came of the request: the job, or what a dry run would have made of it."""

    job_id: str = ""
    shown: Resolved | None = None


def dry_run_answer(planned: Resolved) -> dict[str, Any]:
    """What a dry run answers: the plan, its digest, and how a rollout goes over its nodes, where there is one."""
    plan, rollout = planned.selection.plan, planned.work.rollout
    shown = {"rollout": rollout_answer.planned(rollout, planned.wanted_rollout)} if rollout else {}
    return {"plan": plan_representation(plan), "planDigest": plan_digest(planned), **shown}


@dataclass(frozen=True, slots=True)
class Creating:
    """One request for a job, by a caller whose token was accepted as the request began."""

    request: Request
    services: Dependencies
    who: Caller

    async def run(self, key_text: str | None) -> Created:
        """Create the job, or only look where the query says so.

        Who may create no job at all gets their 403 before the body is read.

        Raises:
            Problem: all that is wrong with the request.
        """
        services = self.services
        asked, faults = creation(self.request.query_params)
        audit.note(self.request, dry_run=asked.dry_run)
        await services.permissions.require_anything(self.who)
        async with received(self.request, services, self.who) as sent:
            content, form = await self._read(sent)
            order = await self._order(form, [*faults, *idempotency.faults(key_text)])
            if asked.dry_run:
                return Created(shown=await self._expected(order, asked))
            key = idempotency.key(key_text, self.who.user_id, content)
            return Created(job_id=await self._submit(order, asked, key))

    async def _read(self, sent: bytes) -> tuple[dict[str, Any], parse_order.Form]:
        """What was sent; much of it in a thread, one at a time, so that it holds up no other request."""

        def read() -> tuple[dict[str, Any], parse_order.Form]:
            content = body.parse(sent)
            return content, parse_order.form(content)

        if len(sent) <= MUCH:
            return read()
        async with self.services.reading:
            return await asyncio.to_thread(read)

    async def _order(self, form: parse_order.Form, faults: Sequence[Fault]) -> Order:
        order = replace(form.order, caller=self.who) if form.order else None
        if order:
            audit.note(self.request, type=order.type)
        limits = self.services.submission.over_limits(order) if order else []
        if order is None or faults or form.faults or limits:
            later = await self._later_faults(order) if order else ()
            # What is over a limit is found again when the plan is made.
            raise refused(dict.fromkeys([*faults, *form.faults, *limits, *later]))
        return order

    async def _later_faults(self, order: Order) -> Sequence[Fault]:
        """What a faulty order's plan would be refused for as well; nothing is found where there is no right to it."""
        try:
            await resolved(self.request, self.services, self.who, order)
        except RefusedError as error:
            return error.faults
        except (NotPermittedError, UnavailableError):
            pass
        return ()

    async def _expected(self, order: Order, asked: CreateParameters) -> Resolved:
        expected = await resolved(self.request, self.services, self.who, order)
        if asked.expected_plan and asked.expected_plan != plan_digest(expected):
            message = "the plan has become another than the one that was shown: look at it again with ?dryRun=true"
            raise Problem(HTTPStatus.CONFLICT, message, code="PLAN_CHANGED")
        return expected

    async def _submit(self, order: Order, asked: CreateParameters, key: IdempotencyKey | None) -> str:
        async def accept() -> str:
            expected = await self._expected(order, asked)
            return await self.services.submission.submit(order, self.who, expected, key, audit.entry(self.request))

        job_id = await idempotency.once(self.services, key, accept)
        audit.note(self.request, job_id=job_id)
        return job_id

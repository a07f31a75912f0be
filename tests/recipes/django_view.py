"""A Django view, `path("videos/<str:order>", django_view.make)`: any number of threads share the client."""

from django.http import HttpRequest, JsonResponse
from sync_world import generate

from ideal_async import IdealError, ImageToVideo, Task, WaitTimeout


def make(request: HttpRequest, order: str) -> JsonResponse:
    """Pay for the order's video once, and wait for it for a while; the same request again goes on waiting."""
    try:
        room = ImageToVideo(request.GET.get("url", ""), duration=5, resolution="480p")
        task: Task = generate(room, key=order, timeout=20)
    except WaitTimeout as error:
        return JsonResponse({"task": str(error.task_id)}, status=202)
    except (IdealError, ValueError) as error:
        return JsonResponse({"error": str(error)}, status=422 if isinstance(error, ValueError) else 502)
    return JsonResponse({"url": task.output.result_url if task.output else None})

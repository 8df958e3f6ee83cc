from django.contrib.auth import views as auth
from django.urls import path, reverse_lazy

from readiness.accounts import views

app_name = "accounts"

urlpatterns = [
    path("login/", auth.LoginView.as_view(template_name="accounts/login.html"), name="login"),
    path("logout/", auth.LogoutView.as_view(), name="logout"),
    path(
        "password/",
        auth.PasswordChangeView.as_view(
            template_name="accounts/password.html", success_url=reverse_lazy("accounts:password_done")
        ),
        name="password",
    ),
    path("password/done/", views.password_done, name="password_done"),
    path("audit/", views.audit_log, name="audit"),
]
